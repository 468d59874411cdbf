# What `ioasim --version` tells of this build. No date and no path, so that the same source built
# the same way is the same program.
execute_process(COMMAND git -C "${PROJECT_SOURCE_DIR}" describe --always --dirty --tags
                OUTPUT_VARIABLE IOASIM_SOURCE ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT IOASIM_SOURCE)
    set(IOASIM_SOURCE "not under version control")
endif()
set(IOASIM_BUILD_TYPE "${CMAKE_BUILD_TYPE}")
set(IOASIM_OPTIONS "")
foreach(option IOASIM_SANITIZE IOASIM_TESTS IOASIM_WERROR)
    if(${option})
        list(APPEND IOASIM_OPTIONS "${option}=ON")
    else()
        list(APPEND IOASIM_OPTIONS "${option}=OFF")
    endif()
endforeach()
list(JOIN IOASIM_OPTIONS " " IOASIM_OPTIONS)
configure_file("${CMAKE_CURRENT_LIST_DIR}/build_info.cpp.in" "${PROJECT_BINARY_DIR}/build_info.cpp"
               @ONLY)
