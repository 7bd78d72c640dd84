/* What `cmake --install` gives: it is moved, and works where it is then, for its user and for other projects. */
#define SHELL_SETUP "P=\"$D/moved\"; E=\"env -i PATH=/usr/bin:/bin\"; "
#include "tests/shell.h"

/* Installs once for all tests, and moves the tree: what knew the old place fails. */
static void install(void) {
  make_folder();
  ck_assert_msg(shell("cmake --install '%s' --prefix $D/installed && mv $D/installed $P", SAMEBITS_BINARY_DIR) == 0,
                "%s", output);
}

/* The program runs from the moved tree in an empty folder and an empty environment, on its contracts, its directed
 * inputs and its expectations, in C and on its emulator, and leaves nothing behind. */
START_TEST(the_program_works_where_it_was_moved) {
  expect(shell("mkdir $D/empty && cd $D/empty && env -i $P/bin/samebits check --recipe int8-dynamic-act-int4-weight "
               "--flavor "
               "aligned,torchao-0.10-cpu --dtype bf16 --side activation --fill directed,tie --device ref --step both "
               "&& ls -A"),
         0, " EXPECTED\n");
  expect(shell("cd $D/empty && env -i $P/bin/samebits check --recipe int4-weight-only --flavor aligned --dtype f32 "
               "--fill tie "
               "--device emu:sm_80 --step both && test -z \"$(ls -A)\""),
         0, "6 PASS");
  expect(shell("env -i $P/bin/samebits explain "
               "int8-dynamic-act-int4-weight/activation/both@torchao-0.10-cpu/f32/3x64:g0/tie:1"),
         1, "add-before-round");
}
END_TEST

/* The version line names version, commit and the compiler of the kernels. */
START_TEST(the_version_says_what_it_is) {
  expect(shell("env -i $P/bin/samebits --version | grep -E '^samebits [0-9.]+, commit ([0-9a-f]{12}|not known), "
               "kernels: .*nvcc "
               "[0-9.]+$'"),
         0, "samebits");
}
END_TEST

/* A project that uses find_package builds on the moved tree, and its program names the first difference. */
START_TEST(find_package_works) {
  expect(shell("cp -r docs/examples/find-package $D/cmake && cd $D/cmake && $E cmake -G Ninja -B build "
               "-DCMAKE_PREFIX_PATH=$P && $E cmake --build build"),
         0, "");
  expect(shell("env -i $D/cmake/build/first_difference"), 1,
         " codes differ; first at 2: the reference 0xa9 (-87), ours");
}
END_TEST

/* One that uses pkg-config as well, and its program finds the kernels and the emulator through the library. */
START_TEST(pkg_config_works) {
  expect(
      shell("cp -r docs/examples/pkg-config $D/pkg && cd $D/pkg && F=$($E PKG_CONFIG_PATH=$P/lib/pkgconfig pkg-config "
            "--cflags --libs samebits) && $E cc -std=c17 -Wall -Werror emulated.c $F -Wl,-rpath,$P/lib -o emulated && "
            "env -i ./emulated emu:sm_90"),
      0, "PASS on emu:sm_90: int4-weight-only, 16384 elements");
}
END_TEST

/* Every public header is there and compiles by itself in a stranger's program. */
START_TEST(headers_stand_alone) {
  expect(shell("n=0; for h in include/samebits/*.h; do printf '#include <samebits/%%s>\\n' \"$(basename $h)\" | $E cc "
               "-std=c17 "
               "-fsyntax-only -Wall -Werror -I$P/include -xc - || exit 1; n=$((n + 1)); done; echo $n headers"),
         0, " headers");
}
END_TEST

/* Every command has a man page with its options, and the completion offers commands and options. */
START_TEST(manual_and_completion) {
  expect(shell("for c in $(env -i $P/bin/samebits --help | awk '/^  [a-z]/ { print $1 }'); do test -s "
               "$P/share/man/man1/samebits-$c.1 || echo \"no page for $c\"; done; grep -c . "
               "$P/share/man/man1/samebits-check.1 >/dev/null && grep -h 'save.-failures' "
               "$P/share/man/man1/samebits-check.1"),
         0, "save\\-failures=DIR");
  ck_assert_msg(!strstr(output, "no page"), "%s", output);
  expect(shell("bash -c '. $0; COMP_WORDS=(samebits golden verify --or); COMP_CWORD=3; _samebits 2>/dev/null; echo "
               "\"${COMPREPLY[@]}\"; COMP_WORDS=(samebits ex); COMP_CWORD=1; _samebits; echo \"${COMPREPLY[@]}\"' "
               "$P/share/bash-completion/completions/samebits"),
         0, "--oracle=\nexpect explain\n");
}
END_TEST

#ifndef __SANITIZE_ADDRESS__ /* what is packed is what is released */
/* The Debian package, unpacked where nothing knows of it, has a program that works, and says which libraries it needs.
 */
START_TEST(the_debian_package_works) {
  expect(shell("(cd '%s' && cpack -G DEB -B $D/deb) && dpkg -x $D/deb/*.deb $D/unpacked && cd / && env -i "
               "$D/unpacked/usr/bin/samebits check --recipe int4-weight-only --flavor aligned --dtype f32 --fill tie "
               "--device emu:sm_80 --step both",
               SAMEBITS_BINARY_DIR),
         0, "6 PASS");
  expect(shell("dpkg -f $D/deb/*.deb Package Depends"), 0, "libmpfr6");
}
END_TEST
#endif

int main(void) {
  Suite *suite = suite_create("install");
  TCase *tests = tcase_create("moved");
  tcase_set_timeout(tests, 300);
  tcase_add_unchecked_fixture(tests, install, remove_folder);
  tcase_add_test(tests, the_program_works_where_it_was_moved);
  tcase_add_test(tests, the_version_says_what_it_is);
  tcase_add_test(tests, find_package_works);
  tcase_add_test(tests, pkg_config_works);
  tcase_add_test(tests, headers_stand_alone);
  tcase_add_test(tests, manual_and_completion);
#ifndef __SANITIZE_ADDRESS__
  tcase_add_test(tests, the_debian_package_works);
#endif
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
