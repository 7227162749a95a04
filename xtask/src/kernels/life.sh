#!/bin/sh
# Goes through the life of a package on a fresh system with systemd: installed, started, upgraded, removed, purged.
# Prints a line for each thing that it sees; `cargo xtask test-dist` reads them.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive

check() {
  name=$1
  shift
  if "$@" >/tmp/said 2>&1; then
    echo "weir-life $name ok"
  else
    echo "weir-life $name FAILED"
    cat /tmp/said
    systemctl status --no-pager --full --lines 30 weir
  fi
}
not() { ! "$@"; }
metrics() { curl -sf --max-time 60 http://127.0.0.1:10058/metrics; }
has() { metrics | grep -q "^$1\$"; }
# An emulated machine takes a minute for what another does in a second.
soon() {
  tries=0
  until "$@"; do
    tries=$((tries + 1))
    [ $tries -lt 120 ] || return 1
    sleep 1
  done
}
hooked() { metrics | awk '/^weir_hook_packets_total\{.*interface="v0"/ { n += $NF } END { printf "%d\n", n }'; }
device() { echo $(($(cat /sys/class/net/v0/statistics/rx_packets) + $(cat /sys/class/net/v0/statistics/tx_packets))); }
# Both are read while nothing passes.
ahead() { echo $(($(hooked) - $(device))); }
same() {
  now=$(ahead)
  [ "$now" = "$1" ] || { echo "hooks less device: $now, $1 before"; return 1; }
}
programs() { grep -E 'bpf_prog_[0-9a-f]+_weir_' /proc/kallsyms; }
present() { find /etc /usr /var/lib /opt -path /var/lib/dpkg -prune -o -path /etc/group- -prune -o -path /etc/passwd- -prune -o \
  -path /etc/shadow- -prune -o -path /etc/gshadow- -prune -o -path /var/lib/systemd -prune -o -print | sort; }
gone() { present | diff /tmp/before - ; }

sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
ip netns add peer
ip link add v0 type veth peer name v1 netns peer
ip addr add 10.9.0.1/24 dev v0
ip link set v0 up
ip -n peer addr add 10.9.0.2/24 dev v1
ip -n peer link set v1 up
present >/tmp/before

check installs dpkg -i /weir.deb
check is_not_enabled not systemctl is-enabled weir
check is_not_started not systemctl is-active weir
check has_its_user getent passwd weir
check its_manual_is_there test -e /usr/share/man/man1/weir-run.1.gz
check its_settings_are_read weir config --config.file /etc/weir/weir.toml

printf 'interface = ["v0"]\nmax-flows = 4096\n' >>/etc/weir/weir.toml
install -D -m 644 -t /etc/systemd/system/weir.service.d /usr/share/weir/weir-pins.conf
systemctl daemon-reload
start=$(date +%s%N)
check starts systemctl start weir
check serves soon has 'weir_interface_attached{.*} 1'
echo "weir-life-time from start to the first scrape: $((($(date +%s%N) - start) / 1000000)) ms"
check runs_as_its_user sh -c 'ps -o user= -C weir | grep -q ^weir'

before=$(ahead)
ping -q -c 20 -i 0.2 10.9.0.2 >/dev/null
check counts_every_packet soon same "$before"
check counts_at_all test "$(hooked)" -ge 40

# An upgrade under traffic: the kernel counts on.
ping -q -i 0.05 10.9.0.2 >/dev/null &
ping=$!
check upgrades dpkg --force-confold -i /upgrade.deb
check runs_after_the_upgrade soon has 'weir_events_total{event="taken_over"} 1'
kill $ping
wait $ping
check lost_no_packet_in_the_upgrade soon same "$before"

# The same with tables of another size, as a new version may have: a gap that is told.
sed -i 's/^max-flows = 4096$/max-flows = 8192/' /etc/weir/weir.toml
check upgrades_with_other_tables dpkg --force-confold -i /weir.deb
check tells_of_the_gap soon has 'weir_events_total{event="pins_replaced"} 1'

check its_programs_are_seen programs
check is_removed dpkg -r weir
check is_stopped not systemctl is-active weir
check no_program_of_it_is_left soon not programs
check no_pin_of_it_is_left not ls -d /run/weir/pins
check is_purged dpkg -P weir
check its_user_is_gone not getent passwd weir
check nothing_of_it_is_left gone
