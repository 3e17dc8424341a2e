"""What sixteen kinds of systems say: sentences with words ``{user}`` and values ``<ms>`` to fill in.

A choice of words makes one shape; values carry digits and never change it.
"""

from dataclasses import dataclass

WORDS: dict[str, tuple[str, ...]] = {
    name: tuple(text.split())
    for name, text in {
        "user": "alice bob carol dave erin frank grace heidi ivan judy mallory niaj olivia peggy rupert sybil trent "
        "victor walter yara zoé jürgen søren chloé ana luis mei kenji fatima omar priya raj nina paul quentin rosa",
        "item": "kettle lamp mug notebook pencil chair table sofa blanket candle clock mirror shelf basket apron bowl "
        "plate fork spoon knife teapot vase rug pillow curtain stool hammock ladder bucket broom hanger jar tray",
        "city": "Berlin München Paris Lyon Oslo Århus Wien Zürich Porto Madrid Roma Milano Praha Kraków Dublin Leeds "
        "Malmö Gent Brugge Split Riga Tartu Vilnius Sofia Athens Tallinn Bergen Turku Basel Graz Nice Lille",
        "path": "api/orders api/carts api/users api/stock api/payments api/search api/login api/logout static/app.js "
        "static/site.css static/logo.svg products categories checkout account help about terms privacy sitemap.xml "
        "robots.txt favicon.ico feed blog news images/hero.webp images/banner.webp api/reviews api/prices admin",
        "method": "GET POST PUT DELETE PATCH HEAD OPTIONS",
        "agent": "Firefox Chrome Safari Edge curl wget Googlebot Bingbot okhttp python-requests Go-http-client axios",
        "table": "orders order_lines customers carts payments refunds stock movements prices reviews sessions events "
        "audit outbox invoices addresses coupons shipments returns suppliers products categories images jobs locks",
        "bank": "visa mastercard amex sepa paypal klarna ideal giropay sofort applepay googlepay twint bancontact",
        "cause": "insufficient_funds expired_card limit_exceeded stolen_card do_not_honor invalid_cvc fraud_suspected "
        "issuer_unavailable currency_not_supported duplicate processing_error authentication_required",
        "pod": "shop-web shop-api payments-api stock-worker mail-relay search-index redis-main postgres-main "
        "ingress-nginx cert-manager metrics-server coredns kube-proxy calico-node agents-runner reports-batch",
        "dev": "sda sdb nvme dm eth bond veth docker br cpu usb pci acpi ext xfs md loop tun wlan virtio",
        "class": "DataNode NameNode ResourceManager NodeManager TaskTracker JobHistory ShuffleHandler BlockManager "
        "FsDatasetImpl RMContainerAllocator TaskAttemptImpl ContainerLauncher MapTask ReduceTask Fetcher Merger",
        "file": "app.py views.py models.py tasks.py cart.py prices.py mailer.py export.py worker.py client.py auth.py "
        "cache.py forms.py search.py report.py images.py stock.py billing.py router.py queue.py parser.py loader.py",
        "error": "ValueError KeyError TypeError IndexError AttributeError TimeoutError ConnectionError PermissionError "
        "FileNotFoundError OverflowError UnicodeDecodeError ZeroDivisionError RuntimeError LookupError AssertionError",
        "tool": "search_web read_file write_file run_tests list_folder fetch_page query_store send_mail plan_route "
        "summarise translate classify extract_table make_chart open_ticket lookup_order refund_order check_stock",
        "model": "small medium large vision coder embed rerank guard draft judge",
        "job": "backup rotate-logs vacuum sync-prices send-digest clean-tmp renew-certs warm-cache export-orders "
        "reindex check-disks update-geoip purge-sessions mirror-images close-tickets rebuild-feed count-visits",
        "state": "pending running succeeded failed cancelled paused queued expired retried skipped blocked archived",
        "domain": "example.org example.net mail.example shop.example post.example corp.example uni.example"
        " home.example",
    }.items()
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of system: who speaks, and its sentences as ``LEVEL text``, a line each."""

    name: str
    service: str
    loggers: tuple[str, ...]
    sentences: tuple[tuple[str, str], ...]


_LEVELS = {"D": "DEBUG", "I": "INFO", "W": "WARNING", "E": "ERROR", "C": "CRITICAL"}


def _kind(name: str, service: str, loggers: str, text: str) -> Kind:
    lines = [line.strip().partition(" ") for line in text.strip().splitlines()]
    return Kind(
        name, service, tuple(loggers.split()), tuple((_LEVELS[level], rest) for level, _, rest in lines)
    )


KINDS = (
    _kind("web access", "edge", "edge.access edge.cache", """
        I <ip> - {user} "{method} /{path}?id=<n> HTTP/1.1" <status> <bytes> "-" "{agent}/<n>.<n>" took <ms> ms
        I <ip> "{method} /{path} HTTP/2.0" <status> <bytes> cache hit for {user} age <n> s
        D route /{path} matched by rule <n> for {agent} in <us> µs
        W slow answer for {method} /{path}: <ms> ms, upstream <ip>:<port>
        E {method} /{path} ended with status <status>: upstream timeout after <ms> ms for {agent}
    """),
    _kind("shop checkout", "shop", "shop.checkout shop.cart shop.search", """
        I order <order> placed by {user} from {city}: <n> items, total <money> EUR, checkout completed in <ms> ms
        I cart <hex> of {user}: added <n> x {item} at <money> EUR
        I search for "{item}" in {city} returned <n> products in <ms> ms
        D price of {item} recalculated: <money> EUR, discount <pct> %
        W checkout of order <order> is waiting for {bank} since <ms> ms, customer {user}
        E checkout failed for order <order>: no stock of {item} in {city}, wanted <n>
    """),
    _kind("payments", "payments", "payments.gateway payments.ledger payments.risk", """
        I payment <run> of <money> EUR by {bank} authorised for {user}, took <ms> ms
        I refund <run> of <money> EUR to {bank} completed, order <order> from {city}
        D ledger entry <n> booked for {bank}: debit <money> credit <money>
        W payment <run> declined by {bank}: {cause}, attempt <n> of <n>
        E gateway {bank} did not answer within <ms> ms: connection timeout, retry <n> for {user}
        C ledger is out of balance by <money> EUR after batch <n> of {bank}, {cause}
    """),
    _kind("stock", "stock", "stock.warehouse stock.sync", """
        I reserved <n> x {item} in {city} for order <order>, <n> left
        I delivery <hex> of <n> x {item} booked in {city} by {user}
        D inventory of {city} synchronised: <n> rows of {table} in <ms> ms
        W {item} runs low in {city}: <n> left, reorder level <n>
        E reservation of {item} in {city} conflicts with order <order>: version <n> is stale
    """),
    _kind("mail", "mail", "mail.smtp mail.queue", """
        I <hex>: to=<angle>{user}@{domain}</angle>, relay={domain}[<ip>]:25, delay=<f>, dsn=2.0.0, status=sent (<hex>)
        I <hex>: from=<angle>{user}@{domain}</angle>, size=<bytes>, nrcpt=<n> (queue active)
        D connection from {domain}[<ip>] opened, TLS with <n> bits
        W <hex>: to=<angle>{user}@{domain}</angle>, status=deferred (connect to {domain}[<ip>]:25: Connection refused)
        E <hex>: to=<angle>{user}@{domain}</angle>, status=bounced (host {domain}[<ip>] said: 550 mailbox unavailable)
    """),
    _kind("database", "postgres", "postgres.server postgres.autovacuum", """
        I duration: <f> ms  execute <n>: SELECT * FROM {table} WHERE id = $1 AND owner = '{user}'
        I checkpoint complete: wrote <n> buffers (<pct>%); write=<f> s, sync=<f> s, total=<f> s
        I automatic vacuum of table "shop.public.{table}": index scans: <n>, pages: <n> removed, <n> remain
        D parse <n>: UPDATE {table} SET state = '{state}' WHERE id = <n>
        W could not obtain lock on row in relation "{table}" for {user}: waiting since <ms> ms
        E duplicate key value violates unique constraint "{table}_pkey": Key (id)=(<n>) already exists
        E canceling statement on {table} due to statement timeout after <ms> ms
        C could not write to file "base/<n>/<n>" of {table}: No space left on device
    """),
    _kind("sshd", "system", "sshd", """
        I Accepted publickey for {user} from <ip> port <port> ssh2: ED25519 SHA256:<hex>
        I pam_unix(sshd:session): session opened for user {user} by (uid=<n>)
        I Received disconnect from <ip> port <port>: disconnected by user {user}
        D debug1: userauth-request for user {user} service ssh-connection attempt <n> with {method}
        W Failed password for invalid user {user} from <ip> port <port> ssh2
        W Connection closed by authenticating user {user} <ip> port <port> [preauth]
        E error: maximum authentication attempts exceeded for {user} from <ip> port <port> ssh2 near {city}
    """),
    _kind("kernel", "system", "kernel", """
        I [<uptime>] {dev}<n>: link is up at <n> Mbps, full duplex, driver {dev}
        I [<uptime>] audit: type=<n> audit(<epoch>): pid=<pid> uid=<n> comm="{pod}" state {state}
        D [<uptime>] {dev}<n>: resetting queue <n> of {dev} after <n> packets
        W [<uptime>] {dev}<n>: {dev} temperature above threshold, throttled (total events = <n>)
        E [<uptime>] {dev}<n>: I/O error, dev {dev}<n>, sector <n> op READ flags <hex>
        C [<uptime>] Out of memory: Killed process <pid> ({pod}) total-vm:<n>kB, anon-rss:<n>kB
    """),
    _kind("kubernetes", "kube", "kubelet scheduler controller", """
        I Successfully assigned shop/{pod}-<podid> to node-<n>
        I Started container {pod} in pod {pod}-<podid> after <ms> ms
        I Scaled up replica set {pod}-<podid> to <n>, requested by {user}
        D syncing pod {pod}-<podid> (<uuid>) in state {state}
        W Readiness probe failed: Get "http://<ip>:<port>/{path}": context deadline exceeded for {pod}
        W Back-off <n> s restarting failed container={pod} pod={pod}-<podid> ({state})
        E Failed to pull image "registry.example/{pod}:<version>": rpc error: code = NotFound, node in {city}
    """),
    _kind("block storage", "storage", "dfs.DataNode dfs.FSNamesystem dfs.PacketResponder", """
        I Receiving block <blk> src: /<ip>:<port> dest: /<ip>:<port>
        I PacketResponder <n> for block <blk> terminating
        I BLOCK* NameSystem.addStoredBlock: blockMap updated: <ip>:<port> is added to <blk> size <bytes> by {class}
        I Received block <blk> of size <bytes> from /<ip> for {user}
        D Verification succeeded for <blk> on {dev} in {city}
        W <ip>:<port>: Got exception while serving <blk> to /<ip>: {error} in {class}
        E {class} could not replicate <blk> to {city}: only <n> of <n> replicas written
    """),
    _kind("java jobs", "jobs", "org.apache.hadoop.mapred org.apache.hadoop.yarn org.apache.hadoop.hdfs", """
        I attempt_<epoch>_m_<n>: {class} progress <pct>% of {table}
        I {class}: Container container_<epoch>_<n> transitioned from {state} to {state}
        I org.apache.hadoop.mapreduce.{class}: job_<epoch> completed in <ms> ms, read <bytes> bytes of {table}
        D Heartbeat of {class} took <ms> ms, <n> containers {state}
        W {class}: slow shuffle of {table} from host-<n>, <ms> ms
        E {class}: java.io.IOException: Connection reset by peer while reading {table} at offset <n>
    """),
    _kind("redis", "redis", "redis.server redis.replication", """
        I <pid>:M <n> changes in <n> seconds. Saving {table} started by pid <pid>
        I <pid>:M DB saved on disk: <n> MB of memory used by copy-on-write, {state}
        D <pid>:M <n> clients connected (<n> replicas), <bytes> bytes in use for {table}
        W <pid>:M Client id=<n> addr=<ip>:<port> name={pod} closed for overcoming of output buffer limits on {table}
        E <pid>:S Connection with replica <ip>:<port> lost: timeout after <n> s in {city}
    """),
    _kind("reverse proxy", "edge", "nginx.error", """
        I <pid>#<n>: *<n> client <ip> closed keepalive connection to {path}
        D <pid>#<n>: *<n> http upstream {pod} buffer of <bytes> bytes for /{path}
        W <pid>#<n>: *<n> an upstream response is buffered to a temporary file for "{method} /{path}", client: <ip>
        E <pid>#<n>: *<n> connect() failed (111: Connection refused) while connecting to {pod}, "{method} /{path}"
        E <pid>#<n>: *<n> upstream timed out (110: Connection timed out) reading {pod}, client: <ip>, "/{path}"
        C <pid>#<n>: *<n> SSL_do_handshake() failed for {domain} with {agent}, client: <ip>
    """),
    _kind("python tracebacks", "jobs", "reports.worker reports.export", """
        I report {table} for {user} exported: <n> rows, <bytes> bytes, took <ms> ms
        I task {job} of {user} finished in <f> s, {state}
        D loading {file} with <n> settings for {table}
        W task {job} retried after {error}: attempt <n>
        E Traceback (most recent call last):\\n  File "{file}", line <n>\\n    load({table})\\n{error}: value <n>
        E Unhandled {error} in {file} line <n> for request <run>: cannot read {table}
    """),
    _kind("agents", "agents", "agents.planner agents.tools agents.llm", """
        I run <run> step <n>: {tool} called by {user}, took <ms> ms, {state}
        I model {model} answered with <n> tokens for <n> in prompt, cost <f> USD, latency <ms> ms, {tool}
        D plan of run <run>: next tool {tool} with model {model}, budget <n> tokens
        W tool {tool} returned nothing for run <run>, {model} tries again (<n> of <n>)
        E run <run> stopped: {tool} raised {error} after <n> steps
        C agent of {user} exceeded its budget of <n> tokens in {tool} with {model}
    """),
    _kind("cron", "system", "cron anacron", """
        I (root) CMD (/usr/local/bin/{job} --region {city} --max <n>)
        I pam_unix(cron:session): session closed for user {user} after {job}, pid <pid>
        I Job `{job}' of {user} terminated (exit status: <n>) after <n> s
        D ({user}) RELOAD (crontabs/{user}) revision <n> with {job}
        W ({user}) job {job} is still running since <n> min, start skipped
        E {job} for {city} failed with exit status <n>: see /var/log/{job}.log
    """),
)  # fmt: skip

RARE = (
    "ERROR",
    "agents",
    "agents.guard",
    "run <run> was quarantined after <n> refused actions, see case <order>",
)
"""Said about twenty times in a million records."""
RARE_SHARE = 20e-6
