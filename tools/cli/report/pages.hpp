// The pages: what stands where.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/campaign/run_record.hpp"
#include "tools/cli/report/html.hpp"
#include "tools/cli/report/model.hpp"

namespace ioasim::tools::report {

Page run_page(const RunModel& model);
// Lanes and series for the script of the page.
std::string run_data(const RunModel& model);

struct CampaignModel {
    std::string folder;
    std::vector<RunRecord> records;
    std::vector<std::string> damaged;
};
Page campaign_page(const CampaignModel& model);

}  // namespace ioasim::tools::report
