# `cmake --install` and what find_package(bulwark) needs.

include(CMakePackageConfigHelpers)

set(bulwark_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/bulwark)

install(TARGETS bulwark_runtime EXPORT bulwark_runtime_targets)
install(DIRECTORY runtime/bulwark TYPE INCLUDE FILES_MATCHING PATTERN "*.hpp")
install(EXPORT bulwark_runtime_targets NAMESPACE bulwark:: DESTINATION ${bulwark_package_dir})

if(BULWARK_ACTORS)
  install(TARGETS bulwark_actors EXPORT bulwark_actors_targets)
  install(DIRECTORY actors/bulwark TYPE INCLUDE FILES_MATCHING PATTERN "*.hpp")
  install(EXPORT bulwark_actors_targets NAMESPACE bulwark:: DESTINATION ${bulwark_package_dir})
  install(FILES cmake/find_caf.cmake DESTINATION ${bulwark_package_dir})
endif()

if(TARGET bulwarkd)
  # Runs where its CAF is. Optional: who builds the libraries only, installs them only.
  set_target_properties(bulwarkd PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
  install(TARGETS bulwarkd OPTIONAL)
endif()

configure_package_config_file(cmake/bulwark-config.cmake.in
  ${PROJECT_BINARY_DIR}/bulwark-config.cmake INSTALL_DESTINATION ${bulwark_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/bulwark-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/bulwark-config.cmake
  ${PROJECT_BINARY_DIR}/bulwark-config-version.cmake DESTINATION ${bulwark_package_dir})
