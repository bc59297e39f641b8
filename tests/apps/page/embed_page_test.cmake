# What embed_page.cmake makes with and without uPlot.

function(made_of uplot result)
  execute_process(COMMAND ${CMAKE_COMMAND} -DPAGE=${PAGE} -DUPLOT=${uplot} -DOUTPUT=${FOLDER}/embedded.cpp -P ${SCRIPT}
    COMMAND_ERROR_IS_FATAL ANY)
  file(READ ${FOLDER}/embedded.cpp made)
  set(${result} "${made}" PARENT_SCOPE)
endfunction()

function(expect text)
  foreach(wanted ${ARGN})
    string(FIND "${text}" "${wanted}" at)
    if(at EQUAL -1)
      message(SEND_ERROR "not there: ${wanted}")
    endif()
  endforeach()
endfunction()

made_of("" absent)
expect("${absent}" "{\"index.html\"sv" "built without its dashboard")
string(FIND "${absent}" "main.js" at)
if(NOT at EQUAL -1)
  message(SEND_ERROR "without uPlot there are files of the dashboard")
endif()

made_of(${UPLOT} whole)
expect("${whole}" "{\"index.html\"sv, \"text/html" "{\"uplot/uPlot.esm.js\"sv, \"text/javascript" "{\"uplot/LICENSE\"sv" "The MIT License"
  "Permission is hereby granted")
# All that is in the folder is in the program, but for what only the build reads.
file(GLOB files RELATIVE ${PAGE} ${PAGE}/*)
list(REMOVE_ITEM files absent.html package.json page.hpp)
foreach(file ${files})
  expect("${whole}" "{\"${file}\"sv")
endforeach()
# Nothing is loaded from elsewhere, and nothing stands in the markup that the policy forbids.
file(READ ${PAGE}/index.html index)
if(index MATCHES "(src|href)=\"(https?:|//)" OR index MATCHES " style=|<style| on[a-z]+=\"|<script>")
  message(SEND_ERROR "index.html: ${CMAKE_MATCH_0}")
endif()
