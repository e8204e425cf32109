#!/bin/sh
# Installs the judges by package name into the machine (Debian) and into build/judge (npm). What can't be had is told; its
# tests are skipped then.
cd "$(dirname "$0")/../.." || exit 1
mkdir -p build/judge

missing=""
for pair in node:nodejs npm:npm java:default-jre-headless chromium:chromium spamassassin:spamassassin pngquant:pngquant; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair##*:}"
done
for language in hi ar; do
    fc-list ":lang=$language" 2>/dev/null | grep -q . || missing="$missing fonts-noto-core"
done
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        for package in $(printf '%s\n' $missing | sort -u); do
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null ||
                echo "could not install $package: its judge is skipped"
        done
    else
        echo "not installed:$missing; their judges are skipped. As root on Debian: apt-get install$missing"
    fi
fi

if command -v npm >/dev/null; then
    npm install --no-save --no-audit --no-fund --silent --prefix build/judge \
        mailparser@3 postal-mime@4 vnu-jar axe-core@4 caniemail@1 @fontsource/gelasio@5 ||
        echo "npm could not install its judges: they are skipped"
fi
