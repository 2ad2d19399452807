#!/bin/sh
# Sees to a program that the tests drive for real: need.sh COMMAND DEBIAN-PACKAGE HOMEBREW-PACKAGE
command -v "$1" >/dev/null 2>&1 && exit 0
# Debian calls it chromium, others chromium-browser or google-chrome.
if [ "$1" = chromium ]; then
  for other in chromium-browser google-chrome google-chrome-stable; do command -v "$other" >/dev/null 2>&1 && exit 0; done
fi
as_root=""
if [ "$(id -u)" != 0 ]; then command -v sudo >/dev/null 2>&1 && as_root="sudo -n"; fi
echo "Installing $1 …"
if command -v apt-get >/dev/null 2>&1; then
  export DEBIAN_FRONTEND=noninteractive
  { $as_root apt-get install -y -qq "$2" || { $as_root apt-get update -qq && $as_root apt-get install -y -qq "$2"; }; } >/dev/null 2>&1
elif command -v dnf >/dev/null 2>&1; then
  $as_root dnf install -y -q "$3" >/dev/null 2>&1
elif command -v apk >/dev/null 2>&1; then
  $as_root apk add -q "$3" >/dev/null 2>&1
elif command -v brew >/dev/null 2>&1; then
  brew install -q "$3" >/dev/null 2>&1
fi
command -v "$1" >/dev/null 2>&1 && exit 0
echo "The tests need $1 on PATH and it could not be installed: install it (Debian: apt-get install $2) and run make test again." >&2
exit 1
