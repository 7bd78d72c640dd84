# samebits_embed_contracts(OUT DIR): OUT becomes a source that lists every *.contract below DIR with its text.
function(samebits_embed_contracts out dir)
  file(GLOB_RECURSE files RELATIVE ${dir} CONFIGURE_DEPENDS ${dir}/*.contract)
  list(SORT files)
  set(rows "")
  set(count 0)
  foreach(file ${files})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${dir}/${file})
    file(READ ${dir}/${file} hex HEX)
    string(REGEX REPLACE "(..)" "\\\\x\\1" text "${hex}")
    string(APPEND rows "    {\"${file}\", \"${text}\"},\n")
    math(EXPR count "${count} + 1")
  endforeach()
  file(CONFIGURE OUTPUT ${out} CONTENT "#include \"conformance/contract/library.h\"
#include <stddef.h>
const sb_embedded_contract sb_embedded_contracts[] = {
@rows@    {NULL, NULL}};
const int sb_embedded_contract_count = @count@;
" @ONLY)
endfunction()
