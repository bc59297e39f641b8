# A document quotes a program so:
#
#     <!-- from docs/examples/guard.cpp [guard] -->
#     ```cpp
#     …
#     ```
#
# and the program has the same lines between `// [guard]` and `// [/guard]`. Indentation that all
# lines of a region share is left out. Fails where a quote and its region differ, and where a code
# block of C++ quotes nothing: such a block may say anything, and no test would notice.

cmake_policy(VERSION 3.25)

# The region's lines as a quote shows them.
function(read_region file region out)
  file(READ ${ROOT}/${file} text)
  string(FIND "${text}" "// [${region}]\n" begin)
  string(FIND "${text}" "// [/${region}]" end)
  if(begin EQUAL -1 OR end EQUAL -1)
    message(FATAL_ERROR "${file} has no region [${region}]")
  endif()
  string(LENGTH "// [${region}]\n" skip)
  math(EXPR begin "${begin} + ${skip}")
  math(EXPR length "${end} - ${begin}")
  string(SUBSTRING "${text}" ${begin} ${length} text)
  set(indentation "") # CMake refuses to match nothing
  if(text MATCHES "^( +)")
    set(indentation "${CMAKE_MATCH_1}")
  endif()
  string(REPLACE "\n${indentation}" "\n" text "\n${text}")
  string(SUBSTRING "${text}" 1 -1 text)
  string(REGEX REPLACE "[ \n]+$" "\n" text "${text}")
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

file(GLOB_RECURSE documents RELATIVE ${ROOT} ${ROOT}/README.md ${ROOT}/docs/*.md)
set(quotes 0)
set(mistakes "")
foreach(document ${documents})
  file(READ ${ROOT}/${document} rest)
  while(TRUE)
    string(FIND "${rest}" "```cpp\n" begin)
    if(begin EQUAL -1)
      break()
    endif()
    string(SUBSTRING "${rest}" 0 ${begin} before)
    math(EXPR begin "${begin} + 7")
    string(SUBSTRING "${rest}" ${begin} -1 rest)
    string(FIND "${rest}" "```" end)
    string(SUBSTRING "${rest}" 0 ${end} quote)
    math(EXPR end "${end} + 3")
    string(SUBSTRING "${rest}" ${end} -1 rest)
    if(NOT before MATCHES "<!-- from ([^ ]+) \\[([a-z_]+)\\] -->\n$")
      string(APPEND mistakes "${document}: this block quotes no program:\n${quote}\n")
      continue()
    endif()
    math(EXPR quotes "${quotes} + 1")
    set(source "${CMAKE_MATCH_1} [${CMAKE_MATCH_2}]")
    read_region(${CMAKE_MATCH_1} ${CMAKE_MATCH_2} region)
    if(NOT quote STREQUAL region)
      string(APPEND mistakes "${document} differs from ${source}. The program says:\n${region}\n")
    endif()
  endwhile()
endforeach()
if(mistakes)
  message("${mistakes}")
  message(FATAL_ERROR "see above")
endif()
if(quotes EQUAL 0)
  message(FATAL_ERROR "no document quotes a program")
endif()
message("${quotes} quotes are true")
