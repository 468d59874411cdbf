# A target sees only the headers it may use: each target gets a folder of links under the build
# folder, and that folder is its whole include path. An include against the arrows of the design
# does not compile.

# ioasim_link_headers(<target> <source folder> [<glob>...]): expose headers of one folder.
function(ioasim_link_headers target folder)
    set(patterns ${ARGN})
    if(NOT patterns)
        set(patterns "*.hpp")
    endif()
    set(farm "${PROJECT_BINARY_DIR}/include-of/${target}")
    foreach(pattern IN LISTS patterns)
        file(GLOB headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/${pattern}")
        foreach(header IN LISTS headers)
            get_filename_component(name "${header}" NAME)
            if(NOT EXISTS "${farm}/${folder}/${name}")
                file(MAKE_DIRECTORY "${farm}/${folder}")
                file(CREATE_LINK "${header}" "${farm}/${folder}/${name}" SYMBOLIC)
            endif()
        endforeach()
    endforeach()
endfunction()

# ioasim_target_rules(<target>): language level, warnings, sanitizers.
function(ioasim_target_rules target)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
    if(IOASIM_WERROR)
        target_compile_options(${target} PRIVATE -Werror)
    endif()
    if(IOASIM_SANITIZE)
        target_compile_options(${target} PRIVATE -fsanitize=address,undefined
                               -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
        target_link_options(${target} PRIVATE -fsanitize=address,undefined)
    endif()
    target_include_directories(${target} PRIVATE "${PROJECT_BINARY_DIR}/include-of/${target}")
endfunction()

# ioasim_include(<target> SEES <folders...> [INTERFACES <model folders...>])
#   SEES        every header of the folder
#   INTERFACES  only *_if.hpp and *_layout.hpp of the folder
function(ioasim_include target)
    cmake_parse_arguments(ARG "" "" "SEES;INTERFACES" ${ARGN})
    foreach(folder IN LISTS ARG_SEES)
        ioasim_link_headers(${target} ${folder})
    endforeach()
    foreach(folder IN LISTS ARG_INTERFACES)
        ioasim_link_headers(${target} ${folder} "*_if.hpp" "*_layout.hpp")
    endforeach()
endfunction()

# ioasim_library(<target> <folder> SEES ... INTERFACES ... LINKS ...): the folder's .cpp files as
# one static library; its own headers are always visible to it.
function(ioasim_library target folder)
    cmake_parse_arguments(ARG "" "" "SEES;INTERFACES;LINKS" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/*.cpp")
    if(NOT sources)
        add_library(${target} INTERFACE)
        return()
    endif()
    add_library(${target} STATIC ${sources})
    ioasim_target_rules(${target})
    ioasim_include(${target} SEES ${folder} ${ARG_SEES} INTERFACES ${ARG_INTERFACES})
    target_link_libraries(${target} PUBLIC ${ARG_LINKS})
endfunction()
