//! `bot.toml`, read strictly.
