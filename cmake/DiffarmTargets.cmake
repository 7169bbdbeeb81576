# How every library, program and test of the project is declared.
#
#   df_library(NAME SOURCES a.c b.c LIBS other)      static library df_NAME; headers are included from the root
#   df_add_test(engine/graph/test_shape LABELS unit LIBS df_graph)   tests/engine/graph/test_shape.c, run by ctest;
#                                                                    SOURCE: of another name
#
# Label `threads`: threads meet in it, so that it is worth running under ThreadSanitizer (`./farm race`).

add_library(df_options INTERFACE)
target_include_directories(df_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(df_options INTERFACE _GNU_SOURCE)
target_compile_options(df_options INTERFACE
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith -Wwrite-strings
  -fno-math-errno -ffp-contract=off
  $<$<C_COMPILER_ID:Clang>:-Wno-missing-field-initializers>) # gcc does not count tables like { f, 1, .flag = true }
if(DF_WERROR)
  target_compile_options(df_options INTERFACE -Werror)
endif()
if(DF_SANITIZE)
  target_compile_options(df_options INTERFACE -fsanitize=${DF_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(df_options INTERFACE -fsanitize=${DF_SANITIZE})
endif()

function(df_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_library(df_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(df_${name} PUBLIC df_options ${ARG_LIBS})
endfunction()

function(df_add_test path)
  cmake_parse_arguments(ARG "" "TIMEOUT;SOURCE" "LABELS;LIBS;ENV" ${ARGN})
  string(REPLACE "/" "_" target ${path})
  if(NOT ARG_SOURCE)
    set(ARG_SOURCE ${path})
  endif()
  add_executable(${target} ${CMAKE_SOURCE_DIR}/tests/${ARG_SOURCE}.c)
  target_link_libraries(${target} PRIVATE ${ARG_LIBS} df_options cmocka m)
  target_compile_definitions(${target} PRIVATE DF_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${path} COMMAND ${target} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  if(DF_SANITIZE) # the limit is there for what hangs
    math(EXPR ARG_TIMEOUT "4 * ${ARG_TIMEOUT}")
  endif()
  set_tests_properties(${path} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT}
    ENVIRONMENT "XDG_CACHE_HOME=/dev/null;${ARG_ENV}" # no test depends on what was measured here before
    SKIP_RETURN_CODE 77)
  if("threads" IN_LIST ARG_LABELS)
    set_property(GLOBAL APPEND PROPERTY DF_THREADED_TESTS ${target})
  endif()
endfunction()
