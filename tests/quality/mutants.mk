# The test program with one fault in it, over and over: tests/quality/mutants.txt lists them. Each costs one source, a link and a suite.
# The mutant's object stands before the library, from which nothing is taken that it defines. Included by the Makefile.

.PHONY: mutants
mutants: $(SO) $(STATIC) $(TEST_CORE) $(TOOLS) ## builds mutants of the code and says which ones the suites kill; ARGS='change plan'
	@MUTANT_CC='$(CC) $(filter-out -O%,$(FLAGS_CORE)) -w' \
	  MUTANT_LD='$(CC) $(LDFLAGS) $(FUZZ_WRAP)' MUTANT_PACK='$(CC) -r -nostdlib' MUTANT_SO='$(CC) $(LDFLAGS_SO) $(LDFLAGS)' MUTANT_PIC='$(OBJ_PIC)' MUTANT_TESTS='$(TEST_CORE)' MUTANT_LIBS='$(LIBS) $(TEST_LIBS) -pthread' \
	  LEADX_A='$(abspath $(STATIC))' BUILD='$(abspath $(BUILD))' \
	  scripts/quality/mutants.sh '$(BUILD)/mutants' $(ARGS)
