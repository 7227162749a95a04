#!/bin/sh
# Installs Weir: picks what fits this system, checks its sum, says what it does, and starts nothing.
#
#   sh install.sh [--from DIRECTORY-or-URL] [--prefix DIRECTORY] [--dry-run]
#
# --from: where the files of a release lie, SHA256SUMS among them; the directory of this script unless given.
# --prefix: do not use the package manager: put the program and its documents below this directory.
# --dry-run: say what would be done.
#
# The program is static: it runs with any C library (glibc, musl) of Linux 5.10 and newer.
set -eu

from=$(cd "$(dirname "$0")" && pwd)
prefix=
dry=
while [ $# -gt 0 ]; do
  case $1 in
    --from) from=${2:?--from needs a directory or an address}; shift 2 ;;
    --prefix) prefix=${2:?--prefix needs a directory}; shift 2 ;;
    --dry-run) dry=yes; shift ;;
    *) echo "install.sh: no such argument: $1" >&2; exit 2 ;;
  esac
done

say() { echo "install.sh: $*"; }
fail() { echo "install.sh: $*" >&2; exit 1; }
run() {
  say "$*"
  [ -n "$dry" ] || "$@"
}

[ "$(uname -s)" = Linux ] || fail "Weir counts in the kernel of Linux; this is $(uname -s)"
case $(uname -m) in
  x86_64 | amd64) arch=x86_64 deb=amd64 ;;
  aarch64 | arm64) arch=aarch64 deb=arm64 ;;
  *) fail "there is no release for $(uname -m); docs/install.md builds from source" ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Brings a file of the release into the work directory.
bring() {
  case $from in
    http://* | https://*)
      if command -v curl >/dev/null; then
        curl -fsSL -o "$work/$1" "$from/$1"
      else
        wget -q -O "$work/$1" "$from/$1"
      fi || fail "$from/$1 cannot be fetched"
      ;;
    *) cp "$from/$1" "$work/$1" || fail "give the directory or address of a release with --from" ;;
  esac
}

bring SHA256SUMS
# The pattern of a name: of a release there is one file each.
pick() {
  name=$(sed -n "s/^[0-9a-f]\{64\}  \($1\)\$/\1/p" "$work/SHA256SUMS" | head -n 1)
  [ -n "$name" ] || fail "SHA256SUMS names no $1"
}

if [ -n "$prefix" ]; then
  kind=archive
elif command -v dpkg >/dev/null && [ "$(dpkg --print-architecture 2>/dev/null)" = "$deb" ]; then
  kind=deb
elif command -v rpm >/dev/null && rpm -q --quiet rpm 2>/dev/null; then
  kind=rpm
else
  kind=archive
  prefix=/usr/local
fi
case $kind in
  deb) pick "weir_[0-9.]*_$deb\.deb" ;;
  rpm) pick "weir-[0-9.]*-1\.$arch\.rpm" ;;
  archive) pick "weir-[0-9.]*-$arch\.tar\.gz" ;;
esac
say "takes $name from $from"
bring "$name"
(cd "$work" && grep "  $name\$" SHA256SUMS | sha256sum -c - >/dev/null) ||
  fail "$name is not what SHA256SUMS says; nothing was installed"
say "its sum is that of SHA256SUMS"

root=
if [ "$(id -u)" != 0 ] && { [ "$kind" != archive ] || [ ! -w "$prefix" ]; }; then
  command -v sudo >/dev/null || fail "installing needs root"
  root=sudo
fi
case $kind in
  deb) run $root dpkg -i "$work/$name" ;;
  rpm) run $root rpm -U --replacepkgs "$work/$name" ;;
  archive)
    tar -xzf "$work/$name" -C "$work"
    top=$work/${name%.tar.gz}
    run $root install -D -m 755 "$top/usr/bin/weir" "$prefix/bin/weir"
    run $root mkdir -p "$prefix/share"
    run $root cp -R "$top/usr/share/." "$prefix/share/"
    # Units name /usr/bin/weir.
    say "units for systemd and the sample of weir.toml: in $name, usr/lib/systemd/system and etc/weir"
    ;;
esac
case $kind in
  archive) say "done; \`$prefix/bin/weir check\` says what this host allows" ;;
  *) say "done; nothing runs yet: \`systemctl enable --now weir\` starts it, \`weir check\` says what this host allows" ;;
esac
