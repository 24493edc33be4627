"""A real Asterisk in a Debian root of its own (`scripts/install_asterisk.sh`): an account for us and one phone."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port, free_ports

OURS, PHONE, PASSWORD = "house", "kitchen", "a-password-of-the-pbx"
CACHE = Path(os.environ.get("HER_OS_CACHE_DIR") or Path.home() / ".cache" / "her-os")
ROOT = CACHE / "asterisk"

MODULES = """\
[modules]
autoload = no
load = res_timing_timerfd.so
load = codec_g722.so
load = codec_ulaw.so
load = codec_alaw.so
load = codec_resample.so
load = format_pcm.so
load = format_wav.so
load = pbx_config.so
load = app_dial.so
load = app_playback.so
load = app_senddtmf.so
load = res_audiosocket.so
load = app_audiosocket.so
load = bridge_simple.so
load = bridge_builtin_features.so
load = bridge_builtin_interval_features.so
load = res_crypto.so
load = res_http_websocket.so
load = res_rtp_asterisk.so
load = res_srtp.so
load = res_sorcery_config.so
load = res_sorcery_memory.so
load = res_sorcery_astdb.so
load = res_pjproject.so
load = res_pjsip.so
load = res_pjsip_pubsub.so
load = res_pjsip_session.so
load = res_pjsip_sdp_rtp.so
load = res_pjsip_authenticator_digest.so
load = res_pjsip_outbound_authenticator_digest.so
load = res_pjsip_endpoint_identifier_user.so
load = res_pjsip_registrar.so
load = res_pjsip_refer.so
load = res_pjsip_rfc3326.so
load = res_pjsip_caller_id.so
load = res_pjsip_dtmf_info.so
load = res_pjsip_nat.so
load = res_pjsip_logger.so
load = chan_pjsip.so
"""
PJSIP = """\
[udp]
type = transport
protocol = udp
bind = 127.0.0.1:{sip_port}

[tcp]
type = transport
protocol = tcp
bind = 127.0.0.1:{sip_port}

[account](!)
type = endpoint
context = house
disallow = all
allow = g722,ulaw,alaw
direct_media = no
dtmf_mode = rfc4733

[login](!)
type = auth
auth_type = digest
password = {password}

[place](!)
type = aor
max_contacts = 3
remove_existing = yes
qualify_frequency = 2

[{ours}](account)
auth = {ours}
aors = {ours}
media_encryption = {encryption}
[{ours}](login)
username = {ours}
[{ours}](place)

[{phone}](account)
auth = {phone}
aors = {phone}
[{phone}](login)
username = {phone}
[{phone}](place)
"""
EXTENSIONS = """\
[house]
exten = 100,1,Dial(PJSIP/{ours},20)
exten = 200,1,Dial(PJSIP/{phone},20)
exten = 300,1,Answer()
 same = n,AudioSocket(40325ec2-5efd-4bd3-805f-53576e581d13,127.0.0.1:{audiosocket_port})
exten = 600,1,Answer()
 same = n,SendDTMF(15,200)
 same = n,Playback(hello-world)
 same = n,Wait(20)
"""
WHOLE = """\
[directories]
astetcdir => {etc}
astvarlibdir => {var}
astdbdir => {var}
astrundir => {var}
astlogdir => {var}
astspooldir => {var}
astdatadir => /usr/share/asterisk
astmoddir => {modules}
[options]
verbose = 3
"""


@dataclass
class Asterisk:
    """A running one. `folder` is its configuration, as seen from its own root."""

    sip_port: int
    folder: str
    log: Path

    def command(self, words: str) -> str:
        """What its console answers."""
        call = ["chroot", str(ROOT), "asterisk", "-C", f"{self.folder}/asterisk.conf", "-rx", words]
        return subprocess.run(call, capture_output=True, text=True, timeout=30, check=False).stdout

    async def wait_for(self, words: str, wanted: str, timeout_s: float = 30) -> str:
        """Ask until `wanted` is in the answer."""
        async with asyncio.timeout(timeout_s):
            while wanted not in (answer := await asyncio.to_thread(self.command, words)):
                await asyncio.sleep(0.3)
        return answer

    async def wait_for_log(self, wanted: str, timeout_s: float = 30) -> None:
        """A line that Asterisk writes."""
        async with asyncio.timeout(timeout_s):
            while wanted not in self.log.read_text(errors="replace"):
                await asyncio.sleep(0.2)


@asynccontextmanager
async def running_asterisk(*, audiosocket_port: int = 0, encryption: str = "no") -> AsyncIterator[Asterisk]:
    """Start it on free ports of loopback; everything it writes is thrown away."""
    outside = Path(tempfile.mkdtemp(prefix="her-os-test-", dir=ROOT / "tmp"))
    inside, sip_port, rtp = f"/tmp/{outside.name}", free_port(), free_ports(40)
    modules = next((ROOT / "usr/lib").glob("*/asterisk/modules"))
    texts = {
        "asterisk.conf": WHOLE.format(etc=inside, var=inside, modules="/" + str(modules.relative_to(ROOT))),
        "modules.conf": MODULES,
        "logger.conf": "[logfiles]\nconsole = notice,warning,error,verbose\n",
        "rtp.conf": f"[general]\nrtpstart={rtp}\nrtpend={rtp + 39}\n",
        "pjsip.conf": PJSIP.format(sip_port=sip_port, ours=OURS, phone=PHONE, password=PASSWORD, encryption=encryption),
        "extensions.conf": EXTENSIONS.format(ours=OURS, phone=PHONE, audiosocket_port=audiosocket_port),
    }
    for name, text in texts.items():
        (outside / name).write_text(text)
    log = outside / "console.txt"
    with log.open("wb") as console:
        process = await asyncio.create_subprocess_exec(
            "chroot", str(ROOT), "asterisk", "-f", "-C", f"{inside}/asterisk.conf", stdout=console, stderr=console
        )
    asterisk = Asterisk(sip_port, inside, log)
    try:
        await asterisk.wait_for("core waitfullybooted", "fully booted")
        yield asterisk
    finally:
        process.terminate()
        await process.wait()
        shutil.rmtree(outside)
