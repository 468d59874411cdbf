// The schema of JSON reports (draft-07), for programs that read them.
#include "tools/cli/reports.hpp"

namespace ioasim::tools {

std::string report_schema() {
    return R"json({
 "$schema": "http://json-schema.org/draft-07/schema#",
 "$id": "ioasim-report/1",
 "title": "a report of runs (--report json=FILE)",
 "type": "object",
 "additionalProperties": false,
 "required": [
  "format",
  "version",
  "passed",
  "failed",
  "runs"
 ],
 "properties": {
  "format": {
   "const": "ioasim-report/1"
  },
  "version": {
   "type": "string",
   "description": "of ioasim"
  },
  "passed": {
   "type": "integer",
   "minimum": 0,
   "description": "runs"
  },
  "failed": {
   "type": "integer",
   "minimum": 0,
   "description": "runs"
  },
  "runs": {
   "type": "array",
   "description": "in the order of the command line; of a campaign by scenario and number",
   "items": {
    "type": "object",
    "additionalProperties": false,
    "required": [
     "scenario",
     "cell",
     "file",
     "purpose",
     "seed",
     "run",
     "config",
     "profile",
     "outcome",
     "exit_code",
     "verdict",
     "verdict_code",
     "not_written",
     "ended",
     "time_ps",
     "events",
     "findings",
     "findings_total",
     "failures",
     "error",
     "state",
     "folder",
     "files",
     "details",
     "figures",
     "steps",
     "marks",
     "reproduce"
    ],
    "properties": {
     "scenario": {
      "type": "string",
      "description": "name"
     },
     "cell": {
      "type": "string",
      "description": "of a matrix; empty: none"
     },
     "file": {
      "type": "string",
      "description": "as it was given"
     },
     "purpose": {
      "type": "string",
      "description": "of the scenario"
     },
     "seed": {
      "type": "integer",
      "minimum": 0,
      "description": "of the command line or the scenario"
     },
     "run": {
      "type": "integer",
      "minimum": 0,
      "description": "number under the seed; 0: the fixed order"
     },
     "config": {
      "type": "string",
      "description": "hash of the configuration",
      "pattern": "^([0-9a-f]{16})?$"
     },
     "profile": {
      "type": "string",
      "description": "of the IOASID core"
     },
     "outcome": {
      "type": "string",
      "description": "the verdict, or that results were lost",
      "enum": [
       "PASS",
       "FAIL",
       "ERROR",
       "LIMIT",
       "HANG",
       "TIMEOUT",
       "INTERRUPTED",
       "INTERNAL ERROR",
       "OUTPUT LOST"
      ]
     },
     "exit_code": {
      "type": "integer",
      "minimum": 0,
      "description": "0: passed"
     },
     "verdict": {
      "type": "string",
      "description": "of the run alone",
      "enum": [
       "PASS",
       "FAIL",
       "ERROR",
       "LIMIT",
       "HANG",
       "TIMEOUT",
       "INTERRUPTED",
       "INTERNAL ERROR"
      ]
     },
     "verdict_code": {
      "type": "integer",
      "minimum": 0,
      "description": "its exit code"
     },
     "not_written": {
      "type": "array",
      "items": {
       "type": "string"
      },
      "description": "outputs that were lost"
     },
     "ended": {
      "type": "string",
      "description": "why the run ended: idle, limit, hang, deadlock, ..."
     },
     "time_ps": {
      "type": "integer",
      "minimum": 0,
      "description": "simulated time"
     },
     "events": {
      "type": "integer",
      "minimum": 0,
      "description": "of the stream"
     },
     "expectations": {
      "type": "integer",
      "minimum": 0,
      "description": "judged; absent where results of a campaign do not tell it"
     },
     "checkers": {
      "type": "array",
      "items": {
       "type": "string"
      },
      "description": "that watched; absent as expectations are"
     },
     "findings": {
      "type": "array",
      "description": "of the checkers",
      "items": {
       "type": "object",
       "additionalProperties": false,
       "required": [
        "code",
        "wanted"
       ],
       "properties": {
        "code": {
         "type": "string",
         "description": "of the finding: ioasim explain CODE"
        },
        "who": {
         "type": "string",
         "description": "what is concerned; of results of a campaign only the code is known"
        },
        "text": {
         "type": "string",
         "description": "what is wrong"
        },
        "time_ps": {
         "type": "integer",
         "minimum": 0,
         "description": "simulated time"
        },
        "seq": {
         "type": "integer",
         "minimum": 0,
         "description": "number of the event in its instant"
        },
        "wanted": {
         "type": "boolean",
         "description": "the scenario expects it"
        }
       }
      }
     },
     "findings_total": {
      "type": "integer",
      "minimum": 0,
      "description": "those that were not kept, too"
     },
     "failures": {
      "type": "array",
      "description": "what makes the run fail",
      "items": {
       "type": "object",
       "additionalProperties": false,
       "required": [
        "where",
        "expected",
        "why",
        "about_finding",
        "seen"
       ],
       "properties": {
        "where": {
         "type": "string",
         "description": "FILE:LINE:COLUMN of the expectation; empty: none of the file"
        },
        "expected": {
         "type": "string",
         "description": "what was expected"
        },
        "why": {
         "type": "string",
         "description": "of the file"
        },
        "about_finding": {
         "type": "boolean",
         "description": "a checker's, not an expectation of the scenario"
        },
        "seen": {
         "type": "array",
         "items": {
          "type": "string"
         },
         "description": "what was seen instead"
        }
       }
      }
     },
     "error": {
      "type": "string",
      "description": "of a crash or a time-out"
     },
     "state": {
      "type": "array",
      "items": {
       "type": "string"
      },
      "description": "of a run that was stuck"
     },
     "folder": {
      "type": "string",
      "description": "of the results; empty: none"
     },
     "files": {
      "type": "array",
      "items": {
       "type": "string"
      },
      "description": "that were written"
     },
     "details": {
      "type": "array",
      "items": {
       "type": "string"
      },
      "description": "lines of the summary"
     },
     "figures": {
      "type": "array",
      "description": "what `compare` compares",
      "items": {
       "type": "object",
       "additionalProperties": false,
       "required": [
        "aspect",
        "name",
        "time",
        "value"
       ],
       "properties": {
        "aspect": {
         "type": "string",
         "description": "outcome, cost or risk"
        },
        "name": {
         "type": "string",
         "description": "what was counted"
        },
        "time": {
         "type": "boolean",
         "description": "picoseconds, else a number"
        },
        "value": {
         "type": "integer",
         "minimum": 0,
         "description": "its value"
        }
       }
      }
     },
     "steps": {
      "type": "array",
      "description": "of programs",
      "items": {
       "type": "object",
       "additionalProperties": false,
       "required": [
        "name",
        "result"
       ],
       "properties": {
        "name": {
         "type": "string",
         "description": "PROGRAM[STEP]"
        },
        "result": {
         "type": "string",
         "description": "how it ended: an error number or a value"
        }
       }
      }
     },
     "marks": {
      "type": "array",
      "description": "rare paths that were reached (ioasim explain marks)",
      "items": {
       "type": "string"
      }
     },
     "asked_defects": {
      "type": "array",
      "description": "defects whose corner somebody asked about, in a search for mutants",
      "items": {
       "type": "string"
      }
     },
     "reproduce": {
      "type": "string",
      "description": "the command that repeats the run"
     }
    }
   }
  }
 }
}
)json";
}

}  // namespace ioasim::tools
