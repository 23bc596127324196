/// The codes that only a promotion makes. `codes` here gives each a row, and the table of the gate in tests/cli all others.
pub const CODES_OF_PROMOTION: [&str; 11] = [
    "CS-RIGHTS",
    "CS-NOT-STAGED",
    "CS-SECOND-PERSON",
    "CS-HALTED",
    "CS-FROZEN",
    "CS-LOCKED",
    "CS-EXPIRED",
    "CS-CHANGED",
    "CS-NO-ACTION",
    "CS-STEP",
    "CS-DRIFT",
];
