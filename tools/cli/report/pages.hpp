// The pages: what stands where.
#pragma once

#include <map>
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
    // Rows that a scenario file says it covers; files that are not at hand are missing.
    std::map<std::string, std::vector<std::string>> covers;
};
Page campaign_page(const CampaignModel& model);

}  // namespace ioasim::tools::report
