# The fuzzers: one program per tests/fuzz/fuzz_NAME.c, with libFuzzer, ASan and UBSan, which need clang.
# Included by the Makefile. The same targets are linked with the test program, whose suite "fuzz" replays the corpus.

FUZZ_CC      ?= clang
COMMA        := ,
FUZZ_TARGETS := $(filter-out db input server,$(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c)))
FUZZERS      := $(FUZZ_TARGETS:%=$(BUILD)/fuzz/%)
FUZZ_RIG     := $(addprefix tests/rig/,fake_transport.c model_server.c functions.c push_device.c)
FUZZ_SOURCES := $(SOURCES) $(BUILD)/gen/sql_text.c $(FUZZ_RIG) tests/fuzz/memory.c $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_OBJ     := $(FUZZ_SOURCES:$(BUILD)/gen/%=gen/%)
FUZZ_OBJ     := $(FUZZ_OBJ:%.c=$(BUILD)/fuzz/o/%.o)
FLAGS_FUZZ   := $(DIALECT) -O2 -g $(SANITIZE) -Wall -Wextra $(INCLUDES) -DSQLITE_CORE

# The fuzzer steers by the code of leadx, not by that of the tests.
FUZZ_COVER   := -fsanitize=fuzzer-no-link

# Transports of a target have no network: fuzz_input.c opens them, as long as a target says so.
FUZZ_WRAP    := -Wl,--wrap=leadx_http_open
FUZZ_POOL    := $(patsubst %,-Wl$(COMMA)--wrap=sqlite3_%,malloc malloc64 realloc64 step prepare_v2 prepare_v3)

# Each target and the driver go into one program; only the driver's copy knows which.
$(FUZZERS): $(BUILD)/fuzz/%: $(FUZZ_OBJ) tests/fuzz/driver.c
	@mkdir -p $(@D)
	@echo '  LD  $@'
	$(Q)$(FUZZ_CC) $(FLAGS_FUZZ) -fsanitize=fuzzer -DFUZZ_TARGET=fuzz_$* $(TEST_CFLAGS) -Itests/fuzz $(FUZZ_WRAP) $(FUZZ_POOL) -o $@ tests/fuzz/driver.c $(FUZZ_OBJ) $(LIBS) $(filter-out -lcheck% -lsubunit,$(TEST_LIBS)) -pthread

$(BUILD)/fuzz/o/%.o: %.c $(BUILD)/flags | $(BUILD)/gen/sql_text.h
	@mkdir -p $(@D)
	@echo '  CC  $@'
	$(Q)$(FUZZ_CC) $(FLAGS_FUZZ) $(if $(filter ext/%,$<),$(FUZZ_COVER)) -Itests/rig -MMD -MP -c -o $@ $<
$(BUILD)/fuzz/o/gen/%.o: $(BUILD)/gen/%.c $(BUILD)/flags | $(BUILD)/gen/sql_text.h
	@mkdir -p $(@D)
	@echo '  CC  $@'
	$(Q)$(FUZZ_CC) $(FLAGS_FUZZ) -c -o $@ $<

-include $(wildcard $(BUILD)/fuzz/o/*/*.d $(BUILD)/fuzz/o/*/*/*.d)
