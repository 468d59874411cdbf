#include "core/base/params.hpp"

namespace ioasim {

const ParamInfo* ParamTableBase::find(std::string_view path) const {
    for (const ParamInfo& info : infos_) {
        if (info.path == path) {
            return &info;
        }
    }
    return nullptr;
}

}  // namespace ioasim
