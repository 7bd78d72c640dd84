# samebits_table(OUT TYPE HEADER PREFIX FILE...): discovery by folder. Each FILE (foo-bar.c) defines `const TYPE PREFIX_foo_bar`;
# OUT becomes a source that lists them all, by file name: `const TYPE *const PREFIX_table[]` and `const int PREFIX_table_count`.
function(samebits_table out type header prefix)
  set(files ${ARGN})
  list(SORT files)
  set(externs "")
  set(rows "")
  set(count 0)
  foreach(file ${files})
    get_filename_component(name ${file} NAME_WE)
    string(MAKE_C_IDENTIFIER ${name} name)
    string(APPEND externs "extern const ${type} ${prefix}_${name};\n")
    string(APPEND rows "&${prefix}_${name}, ")
    math(EXPR count "${count} + 1")
  endforeach()
  file(CONFIGURE OUTPUT ${out} @ONLY CONTENT "#include \"${header}\"\n#include <stddef.h>\n${externs}
extern const ${type} *const ${prefix}_table[];
extern const int ${prefix}_table_count;
const ${type} *const ${prefix}_table[] = {${rows}NULL};
const int ${prefix}_table_count = ${count};\n")
endfunction()

# samebits_embed(OUT NAME FILE): OUT becomes a source with `const char NAME[]`, the text of FILE.
function(samebits_embed out name file)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  file(CONFIGURE OUTPUT ${out} @ONLY CONTENT "extern const char ${name}[];\nconst char ${name}[] = {${bytes}0};\n")
endfunction()
