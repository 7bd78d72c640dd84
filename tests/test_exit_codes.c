/* What a command found decides its exit code, in every branch. */
#define SHELL_SETUP                                                                                                    \
  "P=/usr/bin/python3; A='--recipe int4-weight-only --flavor aligned --step both --dtype f32 --shape 4x256 --fill "    \
  "normal'; W='--recipe int8-dynamic-act-int4-weight --side activation --flavor aligned --dtype f32 --step convert "   \
  "--shape 4x64 --fill normal --seed 1,2'; Q='--device emu:sm_90 --recipe int8-dynamic-act-int4-weight --side "        \
  "activation --step quantize --flavor aligned --dtype f32 --shape 4x64 --fill tie'; "
#include "tests/shell.h"

#define FAULT(kind) "$S check $W --timeout ${T:-60} --device \"worker:$P tests/worker_faults.py " kind "\""
#define REDUCED     "sed 's/\"codes\":\"[0-9a-f]*/\"codes\":\"0/'"

/* 0 all as expected and at least one PASS or EXPECTED; 1 bits differ, XPASS, a regression, a required cell missing; 2
 * usage; 3 infrastructure: ERROR, CRASH, TIMEOUT, no device, a file, nothing ran; 4 inconclusive. Of several the first
 * of 2, 1, 3, 4. */
START_TEST(every_branch) {
  static const struct {
    const char *what, *line;
    int exit;
    const char *says;
  } rows[] = {
      {"PASS", "$S check $A", 0, "1 PASS"},
      {"EXPECTED",
       "$S check $A --flavor torchao-0.18-cpu --dtype bf16 2>&1 || $S check --recipe int4-weight-only --flavor "
       "torchao-0.18-cpu --step both --dtype bf16 --shape 4x256 --fill normal",
       0, "1 EXPECTED"},
      {"FAIL",
       "$S check --recipe int4-weight-only --flavor torchao-0.18-cpu --step both --dtype bf16 --shape 4x256 --fill "
       "normal --expect /dev/null",
       1, "1 FAIL"},
      {"XPASS",
       "echo '*/both@aligned/* truncate https://example.org 2026-01-01' >$D/stale; $S check $A --expect $D/stale", 1,
       "XPASS"},
      {"a required cell that is missing",
       "echo 'int4-weight-only weight both aligned f32 ref 9999' >$D/cells; $S check $A "
       "--required $D/cells",
       1, "REQUIRED"},
      {"all UNSUPPORTED", "$S check $A --group 48", 3, "nothing passed"},
      {"UNSUPPORTED beside PASS", FAULT("refuses"), 0, "1 UNSUPPORTED"},
      {"ERROR", FAULT("fails"), 3, "1 ERROR"},
      {"CRASH", FAULT("exit"), 3, "1 CRASH"},
      {"TIMEOUT", "T=4; " FAULT("hang"), 3, "1 TIMEOUT"},
      {"FAIL of a worker", FAULT("wrong"), 1, "FAIL"},
      {"MISTRUSTED", "$S check 'int4-weight-only/weight/convert@aligned/f32/64x1:g1/normal:1'", 4, "1 MISTRUSTED"},
      {"UNPROVEN", "$S check --kernels $D/approximate.json $Q", 4, "UNPROVEN"},
      {"a kernel that faults", "$S check --kernels $D/beyond.json $Q", 3, "ERROR"},
      {"FAIL before ERROR", "$S check --kernels docs/examples/kernels/manifest_wrong.json $Q", 1, "FAIL"},
      {"usage", "$S check --recipe nothing", 2, "nothing"},
      {"no device", "$S check $A --device cuda:7", 3, "cuda:7"},
      {"no such architecture", "$S check $A --device emu:sm_33", 2, "emu:sm_89, emu:sm_90, emu:sm_100"},
      {"no file", "$S check --input $D/nowhere", 3, "nowhere"},
      {"a full output", "$S check $A --output /dev/full", 3, "No space left"},
      {"resumed by another build",
       "$S check $A --output $D/a >/dev/null; sed 's/\"git\":\"[0-9a-f]*/\"git\":\"x/' $D/a >$D/b; "
       "$S check $A --resume $D/b",
       2, "cannot be resumed"},
      {"explain: the same", "$S explain 'int4-weight-only/weight/both@aligned/f32/4x256:g128/normal:1'", 0, "same"},
      {"explain: explained", "$S explain 'int4-weight-only/weight/both@torchao-0.18-cpu/bf16/4x256:g128/normal:1'", 1,
       "explained"},
      {"explain: no file", "$S explain $D/nowhere.safetensors", 3, "nowhere"},
      {"explain: usage", "$S explain", 2, ""},
      {"golden: good", "$S golden verify $(ls conformance/golden/data/*.safetensors | head -n 1)", 0, " 0 differ"},
      {"golden: broken", "$S golden verify README.md", 3, "README.md"},
      {"golden: no file given", "$S golden verify", 2, "no files"},
      {"compare: the same", "$S compare $D/a $D/a", 0, "1 SAME"},
      {"compare: changed", REDUCED " $D/a >$D/c; $S compare $D/a $D/c", 1, "CHANGED"},
      {"compare: nothing in common", "$S check $A --seed 9 --output $D/d >/dev/null; $S compare $D/a $D/d", 3,
       "nothing"},
      {"compare: lost", "$S merge $D/a $D/d --output $D/e >/dev/null; $S compare $D/e $D/a", 4, "untested now"},
      {"compare: lost, lenient", "$S compare $D/e $D/a --policy lenient", 0, "untested now"},
      {"compare: one run", "$S compare $D/a", 2, "two runs"},
      {"merge: one run twice", "$S merge $D/a $D/a", 0, "\"PASS\":1"},
      {"merge: runs that disagree", "$S merge $D/a $D/c", 1, "disagree"},
      {"merge: a run cut short", "head -n 2 $D/a >$D/f; $S merge $D/f", 3, ""},
      {"merge: no run", "$S merge README.md", 3, "README.md"},
      {"report", "$S report $D/a --html $D/html", 0, ""},
      {"report: nothing asked for", "$S report $D/a", 2, ""},
      {"report: no run", "$S report $D/nowhere --html $D/html", 3, "nowhere"},
      {"history", "$S history add --database $D/db $D/a", 0, ""},
      {"history: no database", "$S history list --database $D/nowhere/db", 3, ""},
      {"history: usage", "$S history show --database $D/db", 2, ""},
      {"bench",
       "$S bench $A --step prepare --repetitions 1 --min-time 0.001 2>&1 || $S bench --recipe int4-weight-only "
       "--dtype f32 --step prepare --shape 4x256 --repetitions 1 --min-time 0.001",
       0, "1 timed"},
      {"bench: nothing to time", "$S bench --recipe int4-weight-only --group 48 --shape 4x256", 3, "nothing to time"},
      {"bench: usage", "$S bench --step both", 2, "nothing to time"},
      {"bench: no such architecture", "$S bench $A --device emu:sm_33", 2, "unknown device 'emu:sm_33'"},
      {"bench: counts are no times",
       "! $S bench --device emu:sm_90 --recipe int4-weight-only --dtype f32 --step prepare "
       "--shape 4x256 2>&1 | grep -w ms",
       0, ""},
      {"linear", "$S linear --seeds 1 --dtype f32", 0, "0 wrong"},
      {"linear: usage", "$S linear --size 1", 2, "--size"},
      {"kernel run: refused",
       "$S kernel run $D/approximate.ptx --entry k --device emu:sm_90 --grid 1 --block 32 --arg "
       "'out:y=f32[32]' --output $D/o",
       4, "refused"},
      {"kernel run: unproven is an answer",
       "$S kernel run $D/approximate.ptx --entry k --device emu:sm_90 --grid 1 --block "
       "32 --arg 'out:y=f32[32]' --output $D/o --allow-approx",
       0, "unproven"},
      {"kernel run: a fault",
       "$S kernel run $D/beyond.ptx --entry k --device emu:sm_90 --grid 1 --block 32 --arg "
       "'out:y=f32[1]' --output $D/o",
       1, ""},
      {"kernel run: usage", "$S kernel run", 2, ""},
      {"counters", "$S counters --device nothing", 2, "nothing"},
      {"contract run: no file", "$S contract run x $D/nowhere", 2, ""},
      {"model: no checkpoint", "$S model inspect $D/nowhere", 3, "nowhere"},
      {"list", "$S list recipes", 0, "int4-weight-only"},
      {"list: usage", "$S list nothing", 2, "nothing"},
      {"no command", "$S", 2, "missing"}};
  int wrong = 0;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const int code = shell("%s", rows[i].line);
    if (code == rows[i].exit && strstr(output, rows[i].says)) continue;
    printf("%s: exit %d, not %d with '%s':\n%.600s\n", rows[i].what, code, rows[i].exit, rows[i].says, output);
    wrong++;
  }
  fflush(stdout);
  ck_assert_int_eq(wrong, 0);
}
END_TEST

static void put(const char *name, const char *text) {
  FILE *file = fopen(in_folder(name), "w");
  ck_assert_ptr_nonnull(file);
  fputs(text, file);
  fclose(file);
}

/* Kernels of one output: an approximate instruction; a store far beyond it. */
static void make_kernels(void) {
  make_folder();
#define HEAD                                                                                                           \
  ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 p)\n{\n .reg .b64 %rd<4>;\n .reg "     \
  ".f32 %f<3>;\n"
#define MANIFEST(file)                                                                                                 \
  "{\"kernels\": [{\"recipe\": \"int8-dynamic-act-int4-weight\", \"side\": \"activation\", \"step\": \"quantize\", "   \
  "\"flavor\": \"aligned\", \"dtype\": \"f32\", \"file\": \"" file "\", \"entry\": \"k\", \"grid\": [1], \"block\": "  \
  "[1], \"args\": [\"codes\"]}]}\n"
  put("approximate.ptx", HEAD " ld.param.u64 %rd1, [p];\n mov.f32 %f1, 0f40400000;\n rcp.approx.f32 %f2, %f1;\n"
                              " st.global.f32 [%rd1], %f2;\n ret;\n}\n");
  put("beyond.ptx", HEAD " ld.param.u64 %rd1, [p];\n mov.f32 %f1, 0f40400000;\n st.global.f32 [%rd1+1048576], %f1;\n"
                         " ret;\n}\n");
  put("approximate.json", MANIFEST("approximate.ptx"));
  put("beyond.json", MANIFEST("beyond.ptx"));
}

int main(void) {
  Suite *suite = suite_create("exit_codes");
  TCase *tests = tcase_create("exit_codes");
  tcase_add_unchecked_fixture(tests, make_kernels, remove_folder);
  tcase_set_timeout(tests, 500);
  tcase_add_test(tests, every_branch);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
