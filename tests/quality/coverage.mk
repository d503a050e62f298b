# Which lines and branches of ext/ the suites run: the program and the loadable file once more, with gcc's counters.
# Children and threads count as well: the counters are atomic, and exit.c keeps those of a child that ends by _exit().
# Included by the Makefile.

COV           := $(BUILD)/test/leadx_test_cov
COV_SO        := $(BUILD)/coverage/leadx.so
FLAGS_COV_PIC := $(DIALECT) -O0 -g --coverage -fprofile-update=atomic -fPIC -fvisibility=hidden $(WARN) $(INCLUDES)
FLAGS_COV     := $(FLAGS_COV_PIC) -DSQLITE_CORE
OBJ_COV       := $(SOURCES:%.c=$(BUILD)/cov/%.o) $(BUILD)/cov/sql_text.o
OBJ_COV_PIC   := $(SOURCES:%.c=$(BUILD)/cov_pic/%.o) $(BUILD)/cov_pic/sql_text.o

$(eval $(call object,cov,FLAGS_COV))
$(eval $(call object,cov_pic,FLAGS_COV_PIC))

$(COV): tests/quality/exit.c $(OBJ_COV) $(TEST_CORE)
	@mkdir -p $(@D)
	@echo '  LD  $@'
	$(Q)$(CC) $(DIALECT) -DSQLITE_CORE $(LDFLAGS) $(FUZZ_WRAP) -rdynamic -o $@ $^ $(LIBS) $(TEST_LIBS) -lgcov -pthread

# The host must find leadx's one function and none of the counters'.
$(COV_SO): tests/quality/exit.c $(OBJ_COV_PIC)
	@mkdir -p $(@D)
	@echo '  LD  $@'
	$(Q)$(CC) $(DIALECT) -fPIC $(LDFLAGS_SO) -Wl,--exclude-libs,ALL $(LDFLAGS) -o $@ $^ $(LIBS) -lgcov -pthread

.PHONY: coverage
coverage: $(COV) $(COV_SO) $(STATIC) $(TOOLS) ## says which lines and branches the suites run; SUITE=rest counts one suite
	@LEADX_SO='$(abspath $(COV_SO))' LEADX_A='$(abspath $(STATIC))' BUILD='$(abspath $(BUILD))' scripts/quality/coverage.sh '$(COV)' '$(SUITE)'
