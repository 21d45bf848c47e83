#!/bin/sh
# Prints the version of the library.
exec sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' "$(dirname "$0")/../Cargo.toml"
