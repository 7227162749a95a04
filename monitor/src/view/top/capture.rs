//! A capture as the screens show it.
