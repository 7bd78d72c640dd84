/* What the emulator's libcuda.so.1 has beyond the driver API. Found by name (sb_driver_symbol, dlsym), never linked. */
#ifndef SAMEBITS_EMULATOR_H
#define SAMEBITS_EMULATOR_H

#include <stddef.h>
#include <stdint.h>

/* The last fault or refusal as one JSON object ("" before the first); until the next launch. */
const char *samebitsEmuLastFault(void);
/* What the last launch was not checked for though it was asked to be, in words; "": nothing. */
const char *samebitsEmuUnchecked(void);
/* As SAMEBITS_EMU_CHECKS: "all", "none", or a list of bounds, align, uninitialized[-global|-shared|-local],
 * shared-race, global-race, barrier, lanes, nc, leak, budget; "all,-nc" is all but one. */
void samebitsEmuSetChecks(const char *list);
/* The most warp instructions that a launch may execute, all its warps together; 0: the default (2^40). One more is the
 * fault timeout. */
void samebitsEmuSetBudget(unsigned long long warp_instructions);
/* Nothing is printed on standard error. */
void samebitsEmuSetQuiet(int quiet);
/* The order in which the blocks of a launch of at most ten access global memory, for tests: digits, each one the next
 * access of that block. Behind the last one, and with NULL, they run as they come. The text is kept by the caller. */
void samebitsEmuSetSchedule(const char *steps);
/* A store to this allocation is the fault write-to-input. 0: no such allocation. */
int samebitsEmuProtect(uint64_t address, int on);
/* Bytes that count as never written, whatever they hold. 0: not inside an allocation. */
int samebitsEmuForget(uint64_t address, size_t bytes);
/* flags[k]: has byte k been written? 0: not inside an allocation. */
int samebitsEmuWritten(uint64_t address, size_t bytes, unsigned char *flags);
/* Exact counters of the last launch as a JSON object, when counting was on. */
void samebitsEmuSetCounting(int on);
const char *samebitsEmuCounters(void);
/* A module's entries, parameters, registers, shared memory, opcode census and lint as a JSON object, or {"error": …}.
 * To be freed by samebitsEmuFree. */
char *samebitsEmuDescribe(const char *ptx, size_t size);
void samebitsEmuFree(void *p);
/* What an approximate instruction gives: 0 refused; 1 the correctly rounded value; 2 a value drawn from the whole error
 * bound of the PTX ISA, by `seed`. Only instruction number `site` (of samebitsEmuSites) varies; -1: all. `fuse`:
 * multiplications that ptxas may fuse with the addition behind them are fused. */
void samebitsEmuSetApprox(int mode, uint64_t seed, long site, int fuse);
/* The approximate instructions and fusable pairs of an entry as a JSON array of
 * {"instruction","file","line","ptx_line"}. */
char *samebitsEmuSites(void *module, const char *entry);
/* Row `index` of the opcode table: its opcodes separated by blanks, its types (destination first), its expression. 0:
 * no such row. */
int samebitsEmuRow(int index, const char **opcodes, const char **types, const char **expression);
/* "baseline", "avx2" or "avx512": which handlers run. */
const char *samebitsEmuIsa(void);

#endif
