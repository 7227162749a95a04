//! The live page in a real browser, of a real agent under real traffic.

mod access;
mod browse;
mod drawn;
mod found;
mod numbers;
mod owners;
mod proxied;
mod rig;
