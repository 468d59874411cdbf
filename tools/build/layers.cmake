# A target sees only the headers it may use: each target gets a folder of links under the build
# folder, and that folder is its whole include path. An include against the arrows of the design
# does not compile; tests/tidy proves that with the folders made here.

# ioasim_headers(<result> <folder>): the folder's headers. One glob a folder, shared by all targets,
# so that the check for new files at the start of each build stays cheap.
function(ioasim_headers result folder)
    get_property(known GLOBAL PROPERTY "ioasim_headers_known_${folder}")
    if(NOT known)
        file(GLOB found CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/*.hpp")
        set_property(GLOBAL PROPERTY "ioasim_headers_known_${folder}" TRUE)
        set_property(GLOBAL PROPERTY "ioasim_headers_${folder}" "${found}")
    endif()
    get_property(headers GLOBAL PROPERTY "ioasim_headers_${folder}")
    set(${result} "${headers}" PARENT_SCOPE)
endfunction()

# ioasim_include(<target> SEES <folders...> [INTERFACES <model folders...>])
#   SEES        every header of the folder
#   INTERFACES  only *_if.hpp and *_layout.hpp of the folder
# Links of headers that no longer exist or are no longer allowed are removed.
function(ioasim_include target)
    cmake_parse_arguments(ARG "" "" "SEES;INTERFACES" ${ARGN})
    set(farm "${PROJECT_BINARY_DIR}/include-of/${target}")
    set(wanted "")
    foreach(folder IN LISTS ARG_SEES ARG_INTERFACES)
        ioasim_headers(headers ${folder})
        if(NOT folder IN_LIST ARG_SEES)
            list(FILTER headers INCLUDE REGEX "_(if|layout)\\.hpp$")
        endif()
        foreach(header IN LISTS headers)
            get_filename_component(name "${header}" NAME)
            set(link "${farm}/${folder}/${name}")
            list(APPEND wanted "${link}")
            if(NOT EXISTS "${link}")
                file(MAKE_DIRECTORY "${farm}/${folder}")
                file(CREATE_LINK "${header}" "${link}" SYMBOLIC)
            endif()
        endforeach()
    endforeach()
    file(GLOB_RECURSE stale "${farm}/*")
    if(wanted)
        list(REMOVE_ITEM stale ${wanted})
    endif()
    if(stale)
        file(REMOVE ${stale})
    endif()
endfunction()

# ioasim_target_rules(<target>): language level, warnings, sanitizers, the include folder.
function(ioasim_target_rules target)
    set(farm "${PROJECT_BINARY_DIR}/include-of/${target}")
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
    # Messages with a place in the source name it inside the project, wherever that was built.
    target_compile_options(${target} PRIVATE "-fmacro-prefix-map=${farm}/="
                           "-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=")
    if(IOASIM_WERROR)
        target_compile_options(${target} PRIVATE -Werror)
    endif()
    if(IOASIM_SANITIZE)
        # Checks of null and of objects' sizes find what the address sanitizer finds too; without
        # them, and little optimised, the build takes a quarter of its time.
        target_compile_options(${target} PRIVATE -fsanitize=address,undefined -Og -g1
                               -fno-sanitize=null,object-size
                               -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
        target_link_options(${target} PRIVATE -fsanitize=address,undefined)
    endif()
    if(IOASIM_FUZZ)
        target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
    endif()
    target_include_directories(${target} PRIVATE "${farm}")
endfunction()

# ioasim_library(<target> <folder> SEES ... INTERFACES ... LINKS ... USES ...): the folder's .cpp
# files as one static library; its own headers are always visible to it. A folder without sources
# is a library of headers. LINKS is passed on to whoever links the library, USES is not, ALSO names
# sources that the build makes.
function(ioasim_library target folder)
    cmake_parse_arguments(ARG "" "" "SEES;INTERFACES;ALSO;LINKS;USES" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/*.cpp")
    list(APPEND sources ${ARG_ALSO})
    ioasim_include(${target} SEES ${folder} ${ARG_SEES} INTERFACES ${ARG_INTERFACES})
    if(NOT sources)
        add_library(${target} INTERFACE)
        target_link_libraries(${target} INTERFACE ${ARG_LINKS} ${ARG_USES})
        return()
    endif()
    add_library(${target} STATIC ${sources})
    ioasim_target_rules(${target})
    target_link_libraries(${target} PUBLIC ${ARG_LINKS} PRIVATE ${ARG_USES})
endfunction()
