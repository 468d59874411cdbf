# What `cmake --install` and `cpack` carry: the program with its scenarios, pages and completions
# (component "program"), and the libraries with their headers for device models of others (component
# "development": ioasim::core, ioasim::models, ioasim::traces).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# --- the program --------------------------------------------------------------------------------

install(TARGETS ioasim RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT program)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/scenarios/"
        DESTINATION "${CMAKE_INSTALL_DATADIR}/ioasim/scenarios" COMPONENT program
        FILES_MATCHING PATTERN "*.json" PATTERN "*.jsonc" PATTERN "README.md"
        PATTERN "language" EXCLUDE)
install(FILES "${PROJECT_SOURCE_DIR}/.github/ioasim-matcher.json"
        DESTINATION "${CMAKE_INSTALL_DATADIR}/ioasim" COMPONENT program)
# The script of a report's page, when tools/build/report_assets.sh has built it.
install(DIRECTORY "${PROJECT_SOURCE_DIR}/build/report/" OPTIONAL
        DESTINATION "${CMAKE_INSTALL_DATADIR}/ioasim/report" COMPONENT program
        FILES_MATCHING PATTERN "report.*")
install(FILES "${PROJECT_SOURCE_DIR}/README.md" DESTINATION "${CMAKE_INSTALL_DOCDIR}"
        COMPONENT program)

# Pages and completions are what the program says of itself.
set(pages "${PROJECT_BINARY_DIR}/pages")
find_program(IOASIM_GZIP gzip)
add_custom_command(OUTPUT "${pages}/made"
    COMMAND "${CMAKE_COMMAND}" -E rm -rf "${pages}"
    COMMAND "${CMAKE_COMMAND}" -E make_directory "${pages}/man" "${pages}/completion"
    COMMAND ioasim man --out "${pages}/man"
    COMMAND ioasim completion bash > "${pages}/completion/ioasim"
    COMMAND ioasim completion zsh > "${pages}/completion/_ioasim"
    COMMAND ioasim completion fish > "${pages}/completion/ioasim.fish"
    COMMAND sh -c "test -z '${IOASIM_GZIP}' || '${IOASIM_GZIP}' -9n '${pages}'/man/*"
    COMMAND "${CMAKE_COMMAND}" -E touch "${pages}/made"
    DEPENDS ioasim VERBATIM)
add_custom_target(pages ALL DEPENDS "${pages}/made")
install(DIRECTORY "${pages}/man/" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1" COMPONENT program)
install(FILES "${pages}/completion/ioasim"
        DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" COMPONENT program)
install(FILES "${pages}/completion/_ioasim"
        DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions" COMPONENT program)
install(FILES "${pages}/completion/ioasim.fish"
        DESTINATION "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d" COMPONENT program)

# --- the libraries ------------------------------------------------------------------------------

set(headers "${CMAKE_INSTALL_INCLUDEDIR}/ioasim")
foreach(folder core models traces)
    install(DIRECTORY "${PROJECT_SOURCE_DIR}/${folder}" DESTINATION "${headers}"
            COMPONENT development FILES_MATCHING PATTERN "*.hpp")
endforeach()

# Names for others: the parts of a layer together.
add_library(ioasim_core INTERFACE)
target_link_libraries(ioasim_core INTERFACE core_ioasid core_sim core_trace core_base)
add_library(ioasim_models INTERFACE)
target_link_libraries(ioasim_models INTERFACE models_platform ioasim_core)
add_library(ioasim_traces INTERFACE)
target_link_libraries(ioasim_traces INTERFACE traces ioasim_core)
foreach(layer core models traces)
    set_target_properties(ioasim_${layer} PROPERTIES EXPORT_NAME ${layer})
endforeach()
set_target_properties(traces PROPERTIES EXPORT_NAME part_traces)
# Debian's libsystemc has the symbols of C++17 and of no later version.
target_compile_features(ioasim_core INTERFACE cxx_std_17)
target_include_directories(ioasim_core INTERFACE "$<INSTALL_INTERFACE:${headers}>")
set(parts core_base core_trace core_sim core_ioasid models_memory models_pcie models_vtd models_dsa
          models_requester models_cpu models_linux models_vm models_platform traces)
if(TARGET fstapi)
    list(APPEND parts fstapi)
endif()
install(TARGETS ${parts} ioasim_core ioasim_models ioasim_traces EXPORT ioasim
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}/ioasim" COMPONENT development)
set(package "${CMAKE_INSTALL_LIBDIR}/cmake/ioasim")
install(EXPORT ioasim NAMESPACE ioasim:: FILE ioasim-targets.cmake DESTINATION "${package}"
        COMPONENT development)
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/ioasim-config.cmake.in"
    "${PROJECT_BINARY_DIR}/ioasim-config.cmake" INSTALL_DESTINATION "${package}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/ioasim-config-version.cmake"
    COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/ioasim-config.cmake"
        "${PROJECT_BINARY_DIR}/ioasim-config-version.cmake" DESTINATION "${package}"
        COMPONENT development)

# --- Debian packages: cpack -G DEB in the build folder ------------------------------------------

set(CPACK_PACKAGE_NAME ioasim)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_CONTACT "ioasim maintainers <ioasim@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "simulator of I/O address spaces")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL program development)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION electronics)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME ioasim)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SUGGESTS "gtkwave, gnuplot, slurm-client, parallel")
set(CPACK_COMPONENT_PROGRAM_DESCRIPTION
    "CPUs, PCIe devices with workqueues, VT-d remapping units, Linux-like
kernels and virtual machines that share PASIDs, driven by scenarios and
judged by checkers.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME ioasim-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
    "g++, cmake, pkg-config, libsystemc-dev, libfmt-dev, nlohmann-json3-dev, zlib1g-dev")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
    "Static libraries, headers and a CMake package for device models of your
own: the targets ioasim::core, ioasim::models and ioasim::traces.")
include(CPack)
