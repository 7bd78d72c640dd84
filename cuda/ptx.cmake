# Where the PTX comes from: cuda/ptx/ptx.tar.xz, made by nvcc ${SAMEBITS_NVCC_VERSION}, where the kernels' sources are what it was made of;
# else it is compiled here. SAMEBITS_PTX=build compiles in any case, SAMEBITS_PTX=shipped never does.
set(SAMEBITS_NVCC_VERSION 13.0.88)
set(SAMEBITS_ARCHITECTURES 75 80 89 90 100)
set(SAMEBITS_PTX auto CACHE STRING "auto, build or shipped")
set_property(CACHE SAMEBITS_PTX PROPERTY STRINGS auto build shipped)

file(GLOB kernel_files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernels/*.cu)
file(GLOB kernel_headers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernels/*.cuh)
set(modules "")
set(sums "")
foreach(file ${kernel_files} ${kernel_headers})
  get_filename_component(name ${file} NAME)
  file(SHA256 ${file} sum)
  string(APPEND sums "${sum}  ${name}\n")
  if(name MATCHES "(.*)\\.cu$")
    set(base ${CMAKE_MATCH_1})
    file(READ ${file} text)
    if(text MATCHES "SB_DTYPE") # one module a model format
      foreach(dtype f32 bf16 f16)
        string(TOUPPER ${dtype} format)
        list(APPEND modules ${base}_${dtype})
        set(source_of_${base}_${dtype} ${base})
        set(defines_of_${base}_${dtype} -DSB_DTYPE=${dtype} -DSB_FORMAT=${format})
      endforeach()
    else()
      list(APPEND modules ${base})
      set(source_of_${base} ${base})
      set(defines_of_${base} "")
    endif()
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
endforeach()
set(shipped ${CMAKE_CURRENT_SOURCE_DIR}/ptx)
set(shipped_sums "")
if(EXISTS ${shipped}/SHA256SUMS)
  file(READ ${shipped}/SHA256SUMS shipped_sums)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${shipped}/SHA256SUMS)
endif()
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/SHA256SUMS "${sums}")

find_program(SAMEBITS_NVCC nvcc HINTS ${CMAKE_BINARY_DIR}/toolkit/nvidia/cu13/bin /usr/local/cuda/bin)
set(ptx_dir ${CMAKE_CURRENT_BINARY_DIR}/ptx)
if(SAMEBITS_PTX STREQUAL "shipped" OR (SAMEBITS_PTX STREQUAL "auto" AND sums STREQUAL shipped_sums))
  if(NOT sums STREQUAL shipped_sums)
    message(WARNING "cuda/kernels/ has changed since cuda/ptx/ was made: the shipped kernels are not the sources'")
  endif()
  message(STATUS "Kernels: the shipped PTX (nvcc ${SAMEBITS_NVCC_VERSION})")
  set(ptx_made_by "shipped, nvcc ${SAMEBITS_NVCC_VERSION}")
  set(unpack TRUE)
elseif(SAMEBITS_NVCC)
  execute_process(COMMAND ${SAMEBITS_NVCC} --version OUTPUT_VARIABLE nvcc_text)
  string(REGEX MATCH "V([0-9.]+)" ignored "${nvcc_text}")
  set(ptx_made_by "nvcc ${CMAKE_MATCH_1}")
  message(STATUS "Kernels: compiled by ${SAMEBITS_NVCC}, version ${CMAKE_MATCH_1}")
  if(NOT CMAKE_MATCH_1 STREQUAL SAMEBITS_NVCC_VERSION)
    message(STATUS "The shipped PTX and the pinned counters are of nvcc ${SAMEBITS_NVCC_VERSION}; differences are reported, no failure")
  endif()
  set(unpack FALSE)
else()
  message(FATAL_ERROR "cuda/kernels/ has changed since cuda/ptx/ was made, and there is no nvcc (ci/nvcc brings it, or use SAMEBITS_PTX=shipped)")
endif()

# Machine code beside the PTX, for these architectures (a list: 90, or 80;90), made of it by ptxas; the driver compiles the rest.
set(SAMEBITS_CUBINS "" CACHE STRING "architectures to embed machine code for")
if(SAMEBITS_CUBINS)
  get_filename_component(nvcc_dir "${SAMEBITS_NVCC}" DIRECTORY)
  find_program(SAMEBITS_PTXAS ptxas HINTS ${nvcc_dir} REQUIRED)
  message(STATUS "Kernels: machine code for ${SAMEBITS_CUBINS}, by ${SAMEBITS_PTXAS}")
endif()

set(ptx_files "")
set(cubin_files "")
foreach(sm ${SAMEBITS_ARCHITECTURES})
  set(of_sm "")
  foreach(module ${modules})
    set(out ${ptx_dir}/sm_${sm}/${module}.ptx)
    list(APPEND of_sm ${out})
    if(sm IN_LIST SAMEBITS_CUBINS)
      string(REGEX REPLACE "ptx$" "cubin" cubin ${out})
      list(APPEND cubin_files ${cubin})
      add_custom_command(OUTPUT ${cubin} COMMAND ${SAMEBITS_PTXAS} -arch=sm_${sm} -o ${cubin} ${out} DEPENDS ${out}
        COMMENT "Machine code of ${module} for sm_${sm}" VERBATIM)
    endif()
    if(NOT unpack)
      # The paths of this machine are no part of the result.
      add_custom_command(OUTPUT ${out}
        COMMAND ${CMAKE_COMMAND} -E make_directory ${ptx_dir}/sm_${sm}
        COMMAND ${SAMEBITS_NVCC} -ptx -fmad=false -lineinfo -arch=sm_${sm} ${defines_of_${module}} -o ${out}.raw
                ${CMAKE_CURRENT_SOURCE_DIR}/kernels/${source_of_${module}}.cu
        COMMAND sed -e "/^[[:space:]]*[.]file/s:\"[^\"]*/cuda/kernels/:\"cuda/kernels/:"
                    -e "/^[[:space:]]*[.]file/s:\"/[^\"]*/:\"toolkit/:" -e "/^$/d" ${out}.raw > ${out}
        COMMAND ${CMAKE_COMMAND} -E rm ${out}.raw
        DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernels/${source_of_${module}}.cu ${kernel_headers}
        COMMENT "PTX of ${module} for sm_${sm}" VERBATIM)
    endif()
  endforeach()
  list(APPEND ptx_files ${of_sm})
endforeach()
if(unpack)
  add_custom_command(OUTPUT ${ptx_files}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${ptx_dir}
    COMMAND ${CMAKE_COMMAND} -E chdir ${ptx_dir} ${CMAKE_COMMAND} -E tar xJf ${shipped}/ptx.tar.xz
    COMMAND ${CMAKE_COMMAND} -E touch ${ptx_files}
    DEPENDS ${shipped}/ptx.tar.xz COMMENT "Shipped PTX" VERBATIM)
endif()

# The texts and their table, in one library of their own that programs share.
set(texts "")
set(externs "")
set(rows "")
foreach(file ${ptx_files})
  string(REGEX MATCH "sm_([0-9]+)/([a-z0-9_]+)\\.ptx$" ignored ${file})
  set(symbol sb_ptx_${CMAKE_MATCH_1}_${CMAKE_MATCH_2})
  string(APPEND texts "__asm__(\".section .rodata\\n.globl ${symbol}\\n.hidden ${symbol}\\n${symbol}:\\n.incbin \\\"${file}\\\"\\n.byte 0\\n.previous\");\n")
  string(APPEND externs "extern const char ${symbol}[];\n")
  set(sm ${CMAKE_MATCH_1})
  set(module ${CMAKE_MATCH_2})
  string(REGEX REPLACE "ptx$" "cubin" cubin ${file})
  set(cubin_of NULL)
  set(cubin_end NULL)
  if(cubin IN_LIST cubin_files)
    set(cubin_of sb_cubin_${sm}_${module})
    set(cubin_end ${cubin_of}_end)
    string(APPEND texts "__asm__(\".section .rodata\\n.balign 8\\n.globl ${cubin_of}, ${cubin_end}\\n.hidden ${cubin_of}, ${cubin_end}\\n${cubin_of}:\\n.incbin \\\"${cubin}\\\"\\n${cubin_end}:\\n.previous\");\n")
    string(APPEND externs "extern const char ${cubin_of}[], ${cubin_end}[];\n")
  endif()
  string(APPEND rows "    {${sm}, \"${module}\", ${symbol}, ${cubin_of}, ${cubin_end}},\n")
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/ptx.c @ONLY CONTENT "#include \"cuda/ptx.h\"\n\n#include <stddef.h>\n\n${texts}\n${externs}
const sb_ptx sb_ptx_table[] = {\n${rows}};
const int sb_ptx_count = sizeof sb_ptx_table / sizeof *sb_ptx_table;
const char *const sb_ptx_made_by = \"${ptx_made_by}\";\n")
set_source_files_properties(${CMAKE_CURRENT_BINARY_DIR}/ptx.c PROPERTIES OBJECT_DEPENDS "${ptx_files};${cubin_files}")
add_library(samebits_ptx SHARED ${CMAKE_CURRENT_BINARY_DIR}/ptx.c)
target_link_libraries(samebits_ptx PRIVATE samebits_flags)

# What ships: run after a change of the kernels, with nvcc ${SAMEBITS_NVCC_VERSION}; the archive and its sums are committed together.
add_custom_target(ship-ptx
  COMMAND ${CMAKE_COMMAND} -E make_directory ${shipped}
  COMMAND sh -c "tar --sort=name --owner=0 --group=0 --numeric-owner --mode=644 --mtime=@0 -cf - sm_*/*.ptx | xz -9e -T1 > ${shipped}/ptx.tar.xz"
  COMMAND ${CMAKE_COMMAND} -E copy ${CMAKE_CURRENT_BINARY_DIR}/SHA256SUMS ${shipped}/SHA256SUMS
  WORKING_DIRECTORY ${ptx_dir} DEPENDS ${ptx_files} VERBATIM)
