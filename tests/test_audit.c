/* samebits kernel audit: what ptxas makes of PTX. */
#include "samebits/audit.h"
#define CU13 "/nvidia/cu13/bin"
#define SHELL_SETUP                                                                                                    \
  "export PATH=\"$PATH:/usr/local/cuda/bin:" SAMEBITS_BINARY_DIR "/toolkit" CU13 ":" SAMEBITS_BINARY_DIR               \
  "/nvdisasm" CU13 "\"; "
#include "tests/shell.h"

/* Kernels of one line each, between the same first and last instructions. */
static void write_kernel(const char *file, const char *lines) {
  FILE *f = fopen(in_folder(file), "w");
  ck_assert_ptr_nonnull(f);
  fprintf(f,
          ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 p)\n{\n"
          ".reg .f32 %%f<9>;\n.reg .b64 %%rd<3>;\n.reg .b32 %%r<9>;\n"
          "ld.param.u64 %%rd1, [p];\nld.global.f32 %%f1, [%%rd1];\nld.global.f32 %%f2, [%%rd1+4];\n"
          "ld.global.f32 %%f3, [%%rd1+8];\n%s\nst.global.f32 [%%rd1+12], %%f4;\nret;\n}\n",
          lines);
  ck_assert_int_eq(fclose(f), 0);
}

/* ci/audit brings nvdisasm; the suite runs before it too. */
static bool has_tools(void) {
  return system(SHELL_SETUP "(ptxas --version && \"${SAMEBITS_NVDISASM:-nvdisasm}\" --version) >/dev/null 2>&1") == 0;
}

/* What a kernel's text asks for is replaced, and nothing else changes: a product and a sum stay what they were. */
START_TEST(only_what_expands_is_replaced) {
  static const char text[] =
      "@%p1 div.rn.ftz.f32 %f1, %f2, 0f3F800000; // a comment; div.rn.f32\n"
      "{fma.rn.f16x2 %r1,%r2,%r3,%r1;\n}\nmul.ftz.f32 %f3, %f1, %f2;mad.lo.s32 %r1, %r2, 3, %r4;\n"
      "rcp.rn.f64 %fd1, %fd2;\nL1: rem.u32 %r1, %r2, 7;\n";
  static const char expected[] = "@%p1 xor.b32 %f1, %f2, 0x3F800000; // a comment; div.rn.f32\n"
                                 "{{ .reg .b32 %audit;  xor.b32 %audit, %r2, %r3;  xor.b32 %r1, %audit, %r1; }\n}\n"
                                 "mul.f32 %f3, %f1, %f2;mad.lo.s32 %r1, %r2, 3, %r4;\n"
                                 " not.b64 %fd1, %fd2;\nL1:  xor.b32 %r1, %r2, 7;\n";
  char *replaced;
  sb_ok(sb_audit_replace(text, sizeof text - 1, &replaced));
  ck_assert_str_eq(replaced, expected);
  free(replaced);
  int ptx[SB_AUDIT_CLASSES];
  sb_ok(sb_audit_asked(text, sizeof text - 1, NULL, ptx));
  ck_assert_int_eq(ptx[SB_AUDIT_FMA], 1);
  ck_assert_int_eq(ptx[SB_AUDIT_APPROX], 0);
  ck_assert_int_eq(ptx[SB_AUDIT_FLUSH], 2);
}
END_TEST

/* An fma of operands of two formats is refused: it cannot be told apart. Texts that end early are no trouble. */
START_TEST(what_cannot_be_told_apart_is_refused) {
  static const char *const texts[] = {"fma.rn.f32.f16 %f1, %h1, %h2, %f1;", "div.rn.f32 %f1, %f2;", "fma.rn.f32 ",
                                      "div.rn.f32"};
  for (int k = 0; k < 4; k++) {
    char *replaced = NULL;
    ck_assert_int_eq(sb_audit_replace(texts[k], strlen(texts[k]), &replaced), SB_REFUSED);
  }
  static const char *const harmless[] = {"",   "@",  "@%p1",   "{",  "}",    "/*",
                                         "//", "\"", ".entry", "a:", "a::b", ".reg .f32"};
  for (int k = 0; k < 12; k++) {
    char *replaced = NULL;
    sb_ok(sb_audit_replace(harmless[k], strlen(harmless[k]), &replaced));
    ck_assert_str_eq(replaced, harmless[k]);
    free(replaced);
  }
}
END_TEST

/* A text that ends anywhere is read to its end and no further: each is in a block of its own size. */
START_TEST(texts_that_end_early) {
  static const char text[] =
      "// c\n/* d */.func f() { ret; }\n.visible .entry k(.param .u64 p)\n{ .reg .f32 %f<4>;\n@!%p1 fma.rn.ftz.f32 "
      "%f1, %f2, 0f3F800000, %f3; L: ftz.f32 %f1; sqrt. %f1, %f2; add.ftz.f32 %f1, \"a;\", %f2;\n}\n";
  for (size_t n = 0; n < sizeof text; n++) {
    char *block = malloc(n ? n : 1), *replaced = NULL;
    int ptx[SB_AUDIT_CLASSES];
    memcpy(block, text, n);
    if (sb_audit_replace(block, n, &replaced) == SB_OK) free(replaced);
    sb_ok(sb_audit_asked(block, n, NULL, ptx));
    (void)sb_audit_asked(block, n, "k", ptx);
    free(block);
  }
}
END_TEST

/* ptxas fuses a product and a sum that carry no .rn, and that is found with its instruction; with .rn it may not. */
START_TEST(a_contraction_is_found) {
  write_kernel("c.ptx", "mul.f32 %f5, %f1, %f2;\nadd.f32 %f4, %f5, %f3;");
  expect(shell("$S kernel audit $D/c.ptx"), 1, "unasked: FFMA");
  expect(shell("$S kernel audit --quick $D/c.ptx"), 1, "1 kernels, 1 with something unasked");
  write_kernel("rn.ptx", "mul.rn.f32 %f5, %f1, %f2;\nadd.rn.f32 %f4, %f5, %f3;");
  expect(shell("$S kernel audit $D/rn.ptx"), 0, "1 kernels, 0 with something unasked");
  write_kernel("fma.ptx", "fma.rn.f32 %f4, %f1, %f2, %f3;");
  expect(shell("$S kernel audit $D/fma.ptx"), 0, "1/1/0");
}
END_TEST

/* A true division, root and reciprocal are expanded into fmas, approximations and flushes by ptxas: nobody is accused.
 */
START_TEST(an_expansion_is_not_accused) {
  for (int sm = 80; sm <= 100; sm += 20) {
    write_kernel("d.ptx", "div.rn.f32 %f5, %f1, %f2;\nsqrt.rn.f32 %f6, %f5;\nrcp.rn.f32 %f4, %f6;\n");
    expect(shell("$S kernel audit --json --arch sm_%d $D/d.ptx", sm), 0,
           "\"unasked\":{\"fma\":0,\"approx\":0,\"flush\":0}");
    ck_assert_msg(!strstr(output, "\"machine\":{\"fma\":0"), "no fma in a division:\n%s", output);
  }
}
END_TEST

/* A source with plain operators, compiled with fast math: its contraction is found, its approximations with --strict;
 * the same kernel with __fdiv_rn, __fmul_rn and __fadd_rn is clean. */
START_TEST(fast_math_is_found) {
  FILE *f = fopen(in_folder("f.cu"), "w");
  fputs("extern \"C\" __global__ void k(const float *x, float *y, float s, float z) {\n"
        "#ifdef RN\n y[0] = __fadd_rn(__fmul_rn(__fdiv_rn(x[0], s), z), x[1]);\n"
        "#else\n y[0] = x[0] / s * z - z * s;\n#endif\n}\n",
        f);
  ck_assert_int_eq(fclose(f), 0);
  if (shell("nvcc -ptx -arch=sm_90 -use_fast_math -o $D/fast.ptx $D/f.cu && nvcc -ptx -arch=sm_90 -DRN -o $D/rn.ptx "
            "$D/f.cu"))
    return; /* there is a ptxas but no nvcc */
  expect(shell("$S kernel audit $D/fast.ptx"), 1, "unasked: FFMA");
  expect(shell("$S kernel audit --strict $D/fast.ptx"), 1, "/1/0");
  expect(shell("$S kernel audit --strict $D/rn.ptx"), 0, "0 with something unasked");
}
END_TEST

/* Machine code alone does not tell what was asked for: inconclusive where there is something. */
START_TEST(a_cubin_is_inconclusive) {
  write_kernel("q.ptx", "div.rn.f32 %f4, %f1, %f2;");
  ck_assert_int_eq(shell("ptxas -arch=sm_80 -o $D/q.cubin $D/q.ptx"), 0);
  expect(shell("$S kernel audit $D/q.cubin"), 4, "in machine code");
}
END_TEST

/* Without ptxas, and for what is no PTX, one line and exit 3. */
START_TEST(missing_tools_and_bad_files) {
  write_kernel("m.ptx", "mov.f32 %f4, %f1;");
  expect(shell("SAMEBITS_PTXAS=/nonexistent/ptxas $S kernel audit $D/m.ptx"), 3, "/nonexistent/ptxas failed");
  expect(shell("echo rubbish >$D/r.ptx; SAMEBITS_PTXAS=true $S kernel audit $D/r.ptx"), 3, "no .target in it");
  expect(shell("$S kernel audit $D/absent.ptx"), 3, "cannot be read");
  expect(shell("$S kernel audit"), 2, "no file is given");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("audit");
  TCase *tests = tcase_create("text");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_add_test(tests, only_what_expands_is_replaced);
  tcase_add_test(tests, what_cannot_be_told_apart_is_refused);
  tcase_add_test(tests, texts_that_end_early);
  tcase_add_test(tests, missing_tools_and_bad_files);
  suite_add_tcase(suite, tests);
  if (has_tools()) {
    tcase_add_test(tests, a_contraction_is_found);
    tcase_add_test(tests, an_expansion_is_not_accused);
    tcase_add_test(tests, fast_math_is_found);
    tcase_add_test(tests, a_cubin_is_inconclusive);
  }
  return run_suite(suite);
}
