# bulwark_npm_install(PACKAGE_JSON FOLDER RESULT_WHY): what package.json names, in FOLDER/node_modules,
# when CMake configures. What is there already isn't asked for again. RESULT_WHY is empty, or why it can't be had.

function(bulwark_npm_install package_json folder result_why)
  set(${result_why} "" PARENT_SCOPE)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${package_json})
  set(stamp ${folder}/installed.json)
  if(EXISTS ${stamp})
    file(SHA256 ${stamp} before)
    file(SHA256 ${package_json} now)
    if(before STREQUAL now)
      return()
    endif()
  endif()
  find_program(BULWARK_NPM npm)
  if(NOT BULWARK_NPM)
    set(${result_why} "there is no npm" PARENT_SCOPE)
    return()
  endif()
  file(COPY ${package_json} DESTINATION ${folder})
  # No lock: they need no others, and a lock would name one machine's registry.
  execute_process(
    COMMAND ${BULWARK_NPM} install --loglevel=error --no-audit --no-fund --no-package-lock
            --ignore-scripts --fetch-retries=1 --fetch-timeout=20000
    WORKING_DIRECTORY ${folder} TIMEOUT 90
    RESULT_VARIABLE failed OUTPUT_QUIET ERROR_VARIABLE errors)
  if(failed)
    string(REGEX REPLACE "\n.*" "" errors "${errors}")
    set(${result_why} "npm could not install it (${errors})" PARENT_SCOPE)
    return()
  endif()
  file(COPY_FILE ${package_json} ${stamp})
endfunction()
