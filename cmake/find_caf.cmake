# Finds the first CAF that is at least BULWARK_CAF_MINIMUM, over all prefixes
# that find_package(CAF) would search, and passes older ones over (Debian 12's
# libcaf-dev is 0.17.6). Last of all come the folders that `./dev setup` fills.
#
# Works in a project (afterwards CAF_DIR is set, find_package(CAF) follows) and as
# a script: `cmake -P cmake/find_caf.cmake` prints what it found, or fails.

# CAF_ROOT counts, whatever the including project thinks of it; include() keeps this to the file.
cmake_policy(VERSION 3.25)

set(BULWARK_CAF_MINIMUM 0.18.7)

# Sets ${out_dir} to the folder of the CAFConfig.cmake to use, or to NOTFOUND, and
# ${out_passed_over} to a text that names what was found but is too old.
function(bulwark_find_caf out_dir out_passed_over)
  if(CMAKE_SCRIPT_MODE_FILE)
    # A script has no platform files that would set these.
    set(CMAKE_SYSTEM_PREFIX_PATH /usr/local /usr)
    execute_process(COMMAND g++ -print-multiarch
                    OUTPUT_VARIABLE CMAKE_LIBRARY_ARCHITECTURE
                    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE ignored)
    set(CMAKE_FIND_LIBRARY_PREFIXES lib)
    set_property(GLOBAL PROPERTY FIND_LIBRARY_USE_LIB64_PATHS TRUE)
  endif()
  if(DEFINED ENV{XDG_CACHE_HOME} AND NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
    set(cache "$ENV{XDG_CACHE_HOME}/bulwark")
  else()
    set(cache "$ENV{HOME}/.cache/bulwark")
  endif()
  file(GLOB cached LIST_DIRECTORIES true "${cache}/caf-*-release")
  # No version equals this one, so that every candidate is looked at and none is loaded.
  find_package(CAF 65535.0.0.1 EXACT QUIET CONFIG PATHS ${cached})
  set(found NOTFOUND)
  set(passed_over "")
  foreach(config version IN ZIP_LISTS CAF_CONSIDERED_CONFIGS CAF_CONSIDERED_VERSIONS)
    if(version MATCHES "^[0-9]" AND version VERSION_GREATER_EQUAL BULWARK_CAF_MINIMUM)
      get_filename_component(found "${config}" DIRECTORY)
      break()
    endif()
    string(APPEND passed_over "CAF ${version} in ${config} is older than ${BULWARK_CAF_MINIMUM}: passed over\n")
  endforeach()
  unset(CAF_DIR CACHE)
  set(${out_dir} "${found}" PARENT_SCOPE)
  set(${out_passed_over} "${passed_over}" PARENT_SCOPE)
endfunction()

if(CMAKE_SCRIPT_MODE_FILE)
  bulwark_find_caf(caf_dir passed_over)
  if(NOT caf_dir)
    message(FATAL_ERROR "no CAF >= ${BULWARK_CAF_MINIMUM} found\n${passed_over}")
  endif()
  message("${caf_dir}")
endif()
