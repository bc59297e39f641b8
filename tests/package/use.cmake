# Configures, builds and runs a stranger's project against an installed copy.
#   cmake -D PROJECT=… -D SOURCE=… -D WORK=… -D BUILD=… -D OPTIONS=… -P use.cmake
# BUILD is the build that is installed, OPTIONS what its users' compilers must agree on.

function(step)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result)
  if(result)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "failed: ${command}")
  endif()
endfunction()

# From nothing each time, so that no file of an earlier copy is found.
file(REMOVE_RECURSE ${WORK})
step(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/installed)
# Elsewhere than where it was installed: a package must not know its own place.
file(RENAME ${WORK}/installed ${WORK}/moved)
step(${CMAKE_COMMAND} -S ${SOURCE} -B ${WORK}/build -G Ninja -D bulwark_ROOT=${WORK}/moved ${OPTIONS})
step(${CMAKE_COMMAND} --build ${WORK}/build)
step(${WORK}/build/${PROJECT})
