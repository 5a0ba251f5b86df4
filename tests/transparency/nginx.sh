# nginx under load: static files, threads, a proxy; the configuration reloaded, logs opened anew and the program replaced meanwhile. Prints the
# same each time. Runs in an empty directory. Takes nginx's path, the program that makes the load, and how many requests it makes of each kind.
nginx=$1 load=$2 requests=$3
mkdir -m 755 www logs temp; seq 1 20000 >www/numbers.txt; yes 0123456789abcde | head -c 3000000 >www/large.bin; echo small >www/small.txt
cat >nginx.conf <<A
worker_processes 2; daemon on; pid $PWD/nginx.pid; error_log $PWD/logs/error.log error; worker_shutdown_timeout 60s;
thread_pool default threads=4;
events { worker_connections 512; }
http {
  access_log $PWD/logs/access.log; root $PWD/www; default_type text/plain; keepalive_timeout 60s;
  client_body_temp_path $PWD/temp/body; proxy_temp_path $PWD/temp/proxy; fastcgi_temp_path $PWD/temp/f; uwsgi_temp_path $PWD/temp/u; scgi_temp_path $PWD/temp/s;
  server {
    listen unix:$PWD/door;
    location / { sendfile on; }
    location /threads/ { alias $PWD/www/; aio threads; sendfile off; }
    location /proxy/ { proxy_pass http://unix:$PWD/back:/; proxy_buffering on; }
    location /zipped/ { alias $PWD/www/; gzip on; gzip_types *; gzip_http_version 1.0; gzip_min_length 1; }
    location /none/ { return 404; }
    location /moved { return 301 /elsewhere; }
  }
  server { listen unix:$PWD/back; location / { } }
}
A
"$nginx" -t -c "$PWD/nginx.conf" 2>&1 | grep -c successful
# A daemon: one that is its parent's child still does not let itself be replaced.
trap 'kill "$(cat nginx.pid)" 2>/dev/null' EXIT
"$nginx" -c "$PWD/nginx.conf"; echo "started: $?"
python3 -I "$load" door nginx.pid "$requests"; echo "load: $?"
kill -QUIT "$(cat nginx.pid)"; for i in $(seq 3000); do [ -e nginx.pid ] || break; sleep 0.02; done; [ -e nginx.pid ]; echo "is there still: $?"
sed -E 's/^[0-9/: ]+//; s/[0-9]+#[0-9]+/N/' logs/error.log; cut -d'"' -f 2,3 logs/access*.log* | sort | uniq -c
rm -rf logs temp; ls
