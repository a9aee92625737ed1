// SPDX-License-Identifier: Apache-2.0

//! Real programs with real data, and what turns their outputs into something to look at.
//!
//! - `digits/`: an int8 network that classifies handwritten digits; [`digits`] and [`report`], binary
//!   `tessera-digits`.
//! - `mandelbrot/`: a picture in fixed-point arithmetic, one task per horizontal tile; [`mandelbrot`] and
//!   [`picture`], binary `tessera-mandelbrot`.
//!
//! Every WGSL entry point has a twin here: a function of the same name on the same bindings, which does on the CPU
//! what the dispatch does on the GPU. The tests hold both against each other bit for bit, and `tessera-digits report`
//! checks with it what the providers delivered. A twin is written for clarity and in Rust's own terms, not
//! transliterated, so that both are unlikely to share a mistake.

pub mod digits;
pub mod mandelbrot;
pub mod outputs;
pub mod picture;
pub mod report;
