# The convergence simulation: one program, and one more for each mutant that is made by
# changing a copy of a source (mutants/NAME.SOURCE.sed). Included by the Makefile.

SIM_SEEDS   ?= 2000
# What takes 100 s on two idle cores may take longer elsewhere; then it is a hang.
SIM_SECONDS ?= 1200
SIM         := $(BUILD)/test/leadx_sim
SIM_SOURCES := $(wildcard tests/sim/*.c)
SIM_OBJ     := $(SIM_SOURCES:%.c=$(BUILD)/core/%.o)
SIM_SCRIPTS := $(wildcard tests/sim/mutants/*.sed)
SIM_NAMES   := $(sort $(foreach s,$(notdir $(SIM_SCRIPTS)),$(firstword $(subst ., ,$(s)))))
SIM_MUTANTS := $(SIM_NAMES:%=$(BUILD)/test/sim/%)

$(SIM): $(OBJ_CORE) $(SIM_OBJ)
	@mkdir -p $(@D)
	@echo '  LD  $@'
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) $(TEST_LIBS) -pthread

# sim_sources NAME: the sources that a mutant changes
sim_sources = $(foreach s,$(filter $(1).%,$(notdir $(SIM_SCRIPTS))),$(word 2,$(subst ., ,$(s))))
# A script that changes nothing has lost its place in the source, and says so.
define sim_mutant
$(BUILD)/test/sim/$(1): $(OBJ_CORE) $(SIM_OBJ) $(filter tests/sim/mutants/$(1).%,$(SIM_SCRIPTS))
	@mkdir -p $$@.d
	@echo '  MUT $$@'
	@for s in $(call sim_sources,$(1)); do \
	  from=$$$$(echo ext/*/$$$$s.c); [ -f $$$$from ] || from=$(BUILD)/gen/$$$$s.c; \
	  sed -E -f tests/sim/mutants/$(1).$$$$s.sed $$$$from >$$@.d/$$$$s.c || exit 1; \
	  if cmp -s $$$$from $$@.d/$$$$s.c; then echo "mutant $(1) does not apply to $$$$from" >&2; exit 1; fi; \
	  $(CC) $(FLAGS_CORE) -w -c -o $$@.d/$$$$s.o $$@.d/$$$$s.c || exit 1; done
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $$@ $$(patsubst %,$$@.d/%.o,$(call sim_sources,$(1))) \
	  $(filter-out $(foreach s,$(call sim_sources,$(1)),%/$(s).o),$(OBJ_CORE)) $(SIM_OBJ) $(LIBS) $(TEST_LIBS) -pthread
endef
$(foreach m,$(SIM_NAMES),$(eval $(call sim_mutant,$(m))))

-include $(wildcard $(BUILD)/core/tests/sim/*.d)

.PHONY: sim
sim: $(SIM) $(SIM_MUTANTS) ## runs the convergence simulation; SIM_SEEDS and SIM_SECONDS bound it
	@scripts/quality/sim.sh $(SIM) $(SIM_SEEDS) $(SIM_SECONDS) $(SIM_MUTANTS)
