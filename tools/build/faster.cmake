# Uses what makes a build faster when it is installed; nothing here is needed.

find_program(IOASIM_CCACHE ccache)
if(IOASIM_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${IOASIM_CCACHE}")
endif()

find_program(IOASIM_MOLD mold)
if(IOASIM_MOLD)
    include(CheckLinkerFlag)
    check_linker_flag(CXX "-fuse-ld=mold" IOASIM_MOLD_WORKS)
    if(IOASIM_MOLD_WORKS)
        add_link_options("-fuse-ld=mold")
    endif()
endif()
