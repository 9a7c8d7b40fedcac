#!/bin/sh
# Makes the secrets that compose.yaml mounts, each once: what is there stays as it is.
set -eu
umask 077
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"

random() { od -An -vtx1 -N32 /dev/urandom | tr -d ' \n'; }

make() {
    if [ ! -e "$folder/$1" ]; then
        printf '%s' "$2" > "$folder/$1"
        # Read in a container by a user of another number; the folder keeps other users of this
        # host out.
        chmod 0444 "$folder/$1"
    fi
}

make postgres_password "$(random)"
make maas_database_url "postgresql://maas:$(cat "$folder/postgres_password")@postgres/maas"
make maas_secret_key "$(random)"
make ray_token "$(random)"
make grafana_password "$(random)"
