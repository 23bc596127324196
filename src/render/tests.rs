//! Every output as its reader gets it, held against `tests/fixtures/words`. `UPDATE_WORDS=1` writes the files anew: then read
//! each of them as its reader would.

mod golden;
mod hostile;
mod promotion;
mod world;
