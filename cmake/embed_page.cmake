# The dashboard's files as one C++ source, and its charts' library from npm.
#
# Included: bulwark_embed_page(TARGET SOURCE_FOLDER) makes the library TARGET, which has page_files()
# of apps/bulwarkd/page/page.hpp. uPlot comes by `npm install` into the build folder when CMake
# configures; without npm or the network there is a page that says so instead.
#
# As a script: cmake -DPAGE=FOLDER -DUPLOT=FOLDER -DOUTPUT=FILE -P embed_page.cmake

include(${CMAKE_CURRENT_LIST_DIR}/npm_install.cmake)

# Also for the tests, which serve the page without the daemon: BULWARK_UPLOT is where uPlot is.
function(bulwark_embed_page target source)
  bulwark_npm_install(${source}/package.json ${CMAKE_CURRENT_BINARY_DIR}/page why)
  set(uplot ${CMAKE_CURRENT_BINARY_DIR}/page/node_modules/uplot)
  if(why)
    set(uplot "")
    message(WARNING "bulwarkd is built without its dashboard: ${why}. "
      "Install npm, or give the network, and run CMake again to have it.")
  endif()
  set(BULWARK_NO_DASHBOARD "${why}" CACHE INTERNAL "Why there is none; empty where there is one")
  set(BULWARK_UPLOT "${uplot}" CACHE INTERNAL "The dashboard's uPlot; empty where there is none")
  file(GLOB page_files CONFIGURE_DEPENDS ${source}/*)
  set(script ${CMAKE_CURRENT_FUNCTION_LIST_FILE})
  set(output ${CMAKE_CURRENT_BINARY_DIR}/page/page_files.cpp)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DPAGE=${source} -DUPLOT=${uplot} -DOUTPUT=${output} -P ${script}
    DEPENDS ${page_files} ${script}
    COMMENT "Putting the dashboard into ${target}" VERBATIM)
  add_library(${target} STATIC ${output})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/apps)
endfunction()

if(NOT CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  return()
endif()

# -- the script ----------------------------------------------------------------------------------

set(type_html "text/html; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_svg "image/svg+xml")
set(type_ "text/plain; charset=utf-8")

set(entries "")
function(add_entry path file)
  get_filename_component(extension ${path} LAST_EXT)
  string(REPLACE "." "" extension "${extension}")
  file(READ ${file} content)
  string(FIND "${content}" ")bulwark_page\"" end_of_literal)
  file(SIZE ${file} size)
  string(LENGTH "${content}" length)
  if(NOT end_of_literal EQUAL -1 OR NOT size EQUAL length)
    message(FATAL_ERROR "${file} can't be put into C++: it has a zero byte, or )bulwark_page\"")
  endif()
  string(APPEND entries "  {\"${path}\"sv, \"${type_${extension}}\"sv,\n   R\"bulwark_page(${content})bulwark_page\"sv},\n")
  set(entries "${entries}" PARENT_SCOPE)
endfunction()

if(UPLOT)
  file(GLOB files RELATIVE ${PAGE} ${PAGE}/*.html ${PAGE}/*.css ${PAGE}/*.js ${PAGE}/*.svg)
  list(REMOVE_ITEM files absent.html)
  foreach(file ${files})
    add_entry(${file} ${PAGE}/${file})
  endforeach()
  add_entry(uplot/uPlot.esm.js ${UPLOT}/dist/uPlot.esm.js)
  add_entry(uplot/uPlot.min.css ${UPLOT}/dist/uPlot.min.css)
  add_entry(uplot/LICENSE ${UPLOT}/LICENSE)
else()
  add_entry(index.html ${PAGE}/absent.html)
endif()

file(WRITE ${OUTPUT} "// Made by cmake/embed_page.cmake.
#include \"bulwarkd/page/page.hpp\"

namespace bulwarkd {

namespace {

using namespace std::string_view_literals;

constexpr embedded_file files[] = {
${entries}};

} // namespace

std::span<const embedded_file> page_files() {
  return files;
}

} // namespace bulwarkd
")
