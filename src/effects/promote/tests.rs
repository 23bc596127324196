//! placeholder
#![cfg(test)]
