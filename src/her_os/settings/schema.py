"""Every setting of her-os with its default; `config/her-os.yaml` may name any of them, and nothing else.

Times carry their unit in the name. A relative path is taken from the folder of the configuration file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, field

from her_os.settings.loader_schema import Loader, Services
from her_os.settings.section import Milliseconds, Port, Positive, Section

EmailAddress = Annotated[str, Meta(pattern=r"^([^\s@<>,;:\"()\[\]\\]+@[^\s@<>,;:\"()\\]+)?$")]
"""`name@domain`, and nothing that could end a header; empty is none."""


class Assistant(Section, frozen=True):
    """Who answers."""

    name: str = "her"
    greeting: str = "Hello, this is her. How can I help?"
    farewell: str = "Goodbye."
    apology: str = "Sorry, I lost my train of thought for a moment. Please say that again."
    busy_cue: str = "One moment."


class Trunk(Section, frozen=True):
    """An account of ours at a PBX or provider. Its password is a secret, named by `secret_name`."""

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    user: str
    servers: Annotated[tuple[str, ...], Meta(min_length=1)]
    """`host` or `host:port`, the preferred one first; the next is used while one does not answer."""
    domain: str = ""
    """The domain of the account, where it is not the first server's host."""
    expires_s: Annotated[int, Meta(ge=30, le=86_400)] = 300
    transport: Literal["udp", "tcp", "tls"] = "udp"

    @property
    def secret_name(self) -> str:
        """Where the password stands in the secrets file."""
        return f"HER_OS_TRUNK_{self.name.upper()}_PASSWORD"

    @property
    def domain_name(self) -> str:
        """The host of the account's address of record."""
        return self.domain or self.servers[0].rpartition("@")[2].partition(":")[0]


class Phone(Section, frozen=True):
    """The phone loop: SIP, RTP, API, recordings."""

    api_host: str = "127.0.0.1"
    api_port: Port = 8770
    sip_host: str = "0.0.0.0"  # noqa: S104 - phones in the house must reach it; strangers are refused
    sip_port: Port = 5060
    sip_tcp: bool = True
    """Whether phones may also come by TCP, to the same port."""
    sip_tls_port: Port = 0
    """Where phones may come by TLS, 5061 as a rule; 0: nowhere."""
    sip_tls_certificate: str = ""
    """PEM file with the certificate for TLS and its chain."""
    sip_tls_key: str = ""
    """PEM file with its key; empty: it is in the certificate's file."""
    sip_tls_authorities: str = ""
    """PEM file of certificates that the servers of trunks may prove themselves with, beside the system's."""
    advertised_host: str = ""
    """Address put in Contact and SDP; empty: the local address that routes to the caller."""
    srtp: Literal["accepted", "required"] = "accepted"
    """Protected sound (SRTP, keys in SDP): answered where a phone offers it, or a condition of every call."""
    rtp_port_min: Port = 16384
    rtp_port_max: Port = 16583
    realm: str = "her-os"
    allowlist: tuple[str, ...] = ()
    """Account names that may call from beyond loopback; empty: every account that `her-os phone add` made."""
    max_calls: Positive = 2
    max_calls_per_source: Annotated[int, Meta(ge=0)] = 0
    """Calls at once from one address; 0: `max_calls` alone rules."""
    requests_per_minute: Annotated[int, Meta(ge=0)] = 60
    """Calls and registrations, with or without a password, from one address beyond this machine; 0 no limit."""
    audiosocket_host: str = "127.0.0.1"
    audiosocket_port: Port = 0
    """Where Asterisk's AudioSocket may bring calls; 0: nowhere. It has no password."""
    dial_allowlist: tuple[str, ...] = ()
    """Numbers and `sip:user@host` that we may call, `*` for any characters; empty: the phones registered here only."""
    ring_timeout_s: Positive = 45
    """How long a call of ours may ring."""
    trunks: tuple[Trunk, ...] = ()
    """PBXes and providers to register at; calls that come by them are answered."""
    codecs: tuple[Literal["G722", "PCMU", "PCMA"], ...] = ("G722", "PCMU", "PCMA")
    record_calls: bool = True
    call_log: bool = True
    log_speech: bool = False
    """Whether what callers say may appear in the log (the call log in SQLite is separate)."""


class Conversation(Section, frozen=True):
    """Turn taking. Barge-in itself is switched by the environment flag ENABLE_BARGE_IN."""

    pause_voiced_ms: Milliseconds = 40
    """Voiced audio that pauses the assistant (first sign of speech)."""
    confirm_speech_ms: Milliseconds = 160
    """Speech, by the stricter detector, that makes it an interruption."""
    resume_after_ms: Milliseconds = 400
    """Longest pause before a sound must be confirmed or the assistant goes on."""
    end_of_turn_ms: Milliseconds = 256
    """Silence that ends a turn whose words sound finished."""
    end_of_turn_full_duplex_ms: Milliseconds = 224
    """The same with barge-in on."""
    end_of_turn_unfinished_ms: Milliseconds = 1200
    """Silence that ends a turn whose words sound unfinished."""
    max_utterance_ms: Milliseconds = 30_000
    thinking_cue_after_ms: Milliseconds = 1500
    history_tokens: Positive = 1500
    """Compaction begins when the history takes more than this."""
    idle_hangup_ms: Milliseconds = 120_000
    """A silent line is hung up after this; 0 never."""


class SpeechToText(Section, frozen=True):
    """Streaming recogniser sidecar."""

    host: str = "127.0.0.1"
    port: Port = 11439
    engine: str = "pocketsphinx"
    """`pocketsphinx` in the daemon itself; `faster-whisper` and `parakeet` in a worker process, to which the keys
    `model` to `worker_memory_mb` belong; `nemotron` in the daemon, which then runs on the interpreter `python`."""
    language: str = "en"
    model: str = ""
    """A folder (anything with a slash), or a name: of the model store, or one it can fetch; empty: its default."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compute_type: str = "auto"
    """How numbers are kept, as CTranslate2 names it."""
    python: str = ""
    """Interpreter of the worker, where an engine has an environment of its own; empty: the one we run in."""
    worker_memory_mb: Annotated[int, Meta(ge=0)] = 4096
    """Address space of the worker; 0 no limit, which CUDA needs."""
    latency_ms: Literal[80, 160, 560, 1120] = 560
    """How much sound `nemotron` takes at a time: less answers sooner and hears a little worse."""
    domain_phrases: Path = Path("domain-phrases.txt")
    reopen_grace_ms: Milliseconds = 200
    replay_before_onset_ms: Milliseconds = 300
    max_message_bytes: Positive = 262_144


class SpeechToTextBatch(Section, frozen=True):
    """Recogniser of whole utterances and files over HTTP, in a worker process. The language is `stt.language`."""

    host: str = "127.0.0.1"
    port: Port = 11438
    engine: str = "pocketsphinx"
    model: str = ""
    """A folder (anything with a slash), or a name: of the model store, or one it can fetch; empty: its default."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compute_type: str = "default"
    """How numbers are kept, e.g. `int8` or `float16`, as CTranslate2 names it."""
    batch_size: Positive = 4
    """Stretches recognised at once; more is faster and takes more memory."""
    python: str = ""
    """Interpreter of the worker, where an engine has an environment of its own; empty: the one we run in."""
    worker_memory_mb: Annotated[int, Meta(ge=0)] = 4096
    """Address space of the worker; 0 no limit, which CUDA needs."""
    worker_nice: Annotated[int, Meta(ge=0, le=19)] = 10
    deadline_s: Positive = 900
    """A request that takes longer hangs: its worker is ended."""
    queue: Positive = 8
    """Requests at once, the one that is being worked on included; the next one is told to come later."""
    max_upload_mb: Positive = 25
    max_audio_s: Positive = 1800


class TextToSpeech(Section, frozen=True):
    """Synthesiser sidecar."""

    host: str = "127.0.0.1"
    port: Port = 8772
    engine: str = "flite"
    """`flite` falls back to `espeak` (and says so) where libflite is not installed. `chatterbox`,
    `chatterbox-multilingual` and `chatterbox-turbo` need weights and an environment of their own; the keys `model` to
    `memory_budget_mb` belong to them."""
    voice: str = ""
    tombstone_s: Positive = 60
    max_text_chars: Positive = 4000
    model: str = ""
    """Folder with the weights, as published."""
    python: str = ""
    """Interpreter of the engine's environment, which the daemon then runs on; empty: the one we run in."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    voices: str = ""
    """Folder of WAV files; each is a voice to be imitated, by the file's name."""
    language: str = "en"
    """What `chatterbox-multilingual` speaks."""
    streaming: bool = True
    """Sound comes while its sentence is still being made; false: sentence by sentence."""
    expressiveness: Annotated[float, Meta(ge=0, le=2)] = 0.5
    """Chatterbox calls it exaggeration. Turbo has none."""
    guidance: Annotated[float, Meta(ge=0, le=2)] = 0.5
    """Chatterbox calls it cfg_weight: less is slower speech. Turbo has none."""
    temperature: Annotated[float, Meta(gt=0, le=2)] = 0.8
    threads: Positive = 1
    """On a CPU; calls need the others."""
    memory_budget_mb: Annotated[int, Meta(ge=0)] = 0
    """What the model may take, of the graphics card or else of main memory; 0: what is free there."""


class ModelFlags(Section, frozen=True):
    """What is different for one model; what is left out stays as it is in `llm`."""

    context_tokens: Positive | None = None
    threads: Positive | None = None
    batch: Positive | None = None
    gpu_layers: int | None = None
    temperature: float | None = None
    max_tokens: Positive | None = None
    draft_model: str | None = None
    draft_tokens: Annotated[int, Meta(ge=0, le=64)] | None = None
    extra_args: tuple[str, ...] | None = None


class LanguageModel(Section, frozen=True):
    """llama-server."""

    host: str = "127.0.0.1"
    port: Port = 11435
    server_binary: str = ""
    """Path of llama-server; empty: the one on PATH, then the cached build, then the xllamacpp wheel."""
    model: str = "embedded"
    """`embedded`, the path of a GGUF file, or the name of a model in the store."""
    context_tokens: Positive = 4096
    """Of each call; the server is started with this times `phone.max_calls`."""
    threads: Positive = 1
    batch: Positive = 64
    """Tokens of a prompt read at once; a cancel waits for about two of them."""
    gpu_layers: int = 0
    """Layers put on the GPU, 99 for all; 0: none; -1: as many as fit."""
    temperature: float = 0.0
    max_tokens: Positive = 300
    extra_args: tuple[str, ...] = ()
    request_timeout_s: float = 10.0
    """Silence of a running request after which the server is taken for hung; it tells its progress all the time."""
    release_budget_ms: Milliseconds = 500
    """A cancelled slot must be free after this, and the floor that `her-os preflight` measured; later is counted."""
    draft_model: str = ""
    """A small model of the same family that guesses ahead (speculative decoding): as `model`. Needs llama-server."""
    draft_tokens: Annotated[int, Meta(ge=0, le=64)] = 0
    """How many it guesses at most; 0: the server's default."""
    per_model: dict[str, ModelFlags] = field(default_factory=dict[str, ModelFlags])
    """By the name or path given as `model`: what is different for it."""
    remote: Annotated[str, Meta(pattern=r"^(https?://[^/?#\s]+(/[^?#\s]*)?)?$")] = ""
    """URL of a server that speaks the OpenAI API, such as `http://192.0.2.7:8000/v1`; then no model is loaded here."""
    remote_kind: Literal["openai", "vllm", "llama.cpp"] = "openai"
    """Which it is; `vllm` and `llama.cpp` can tell whether a cancelled reply has stopped."""
    remote_model: str = ""
    """Its name there; some servers need none."""


class WakeWord(Section, frozen=True):
    """The room: its microphone and loudspeaker, and the word that begins a conversation there."""

    enabled: bool = False
    """Without a microphone it only waits for one."""
    host: str = "127.0.0.1"
    port: Port = 5001
    model: str = "hey_annie"
    """`hey_annie`, a name of openwakeword's own (hey_jarvis, alexa, ...), or a .npz or .onnx file."""
    threshold: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    """Probability that wakes; 0: the model's own."""
    microphone: str = ""
    """A device by its name; a path: a WAV file or FIFO in its place; empty: the system's choice."""
    speaker: str = ""
    """The same; a path: a WAV file to write."""
    room: str = "living room"
    """What calls from here are named in the call log."""
    unit: Literal["system", "user"] = "system"
    """Under systemd: `system` speaks to ALSA itself, `user` through PipeWire as the person who is logged in."""
    earcon: bool = True
    idle_ms: Milliseconds = 8_000
    """Silence that ends a conversation in the room."""


class Transcripts(Section, frozen=True):
    """What becomes of recordings: transcripts and summaries, made in worker processes that give all memory back."""

    enabled: bool = True
    """Whether finished calls become transcripts. `her-os transcribe` works either way."""
    engine: str = ""
    """Recogniser of recordings; empty: the one of `stt.engine`."""
    model: str = ""
    """Its model: a folder (anything with a slash), or a name: in the model store, else one the engine can fetch."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compute_type: str = "default"
    """How numbers are kept, e.g. `int8` or `float16`, as CTranslate2 names it."""
    batch_size: Positive = 8
    """Stretches recognised at once; more is faster and takes more memory."""
    segmentation_model: str = ""
    """With `embedding_model`, both .onnx files for sherpa-onnx: tells voices apart in recordings that are no calls."""
    embedding_model: str = ""
    speakers: Annotated[int, Meta(ge=0)] = 0
    """How many voices such a recording has; 0: found out."""
    python: str = ""
    """Interpreter of the worker processes, where an engine has an environment of its own; empty: the one we run in."""
    summary: bool = True
    summary_model_fit: bool = False
    """Whether `llm.model` can summarise; without, the summary is extracts and says so. Never true of the embedded."""
    attempts: Positive = 3
    """Runs in which a recording may fail before it is put in quarantine."""
    worker_memory_mb: Annotated[int, Meta(ge=0)] = 4096
    """Address space of a worker; 0 no limit, which CUDA needs."""
    worker_silence_s: Positive = 300
    worker_total_s: Positive = 21_600
    worker_nice: Annotated[int, Meta(ge=0, le=19)] = 10
    cluster: str = ""
    """Address of a Dask scheduler whose workers take the work, e.g. `tcp://192.0.2.5:8786`; empty: this machine."""
    cluster_timeout_s: Positive = 20
    cluster_at_once: Positive = 4
    cluster_gpus: Annotated[int, Meta(ge=0)] = 0
    """Of the resource `GPU` that Dask workers were started with; what one recording takes."""
    keep_days: Annotated[int, Meta(ge=0)] = 0
    """Age at which `her-os recordings prune` takes a call with all that is known of it; 0 never."""


class Mail(Section, frozen=True):
    """Completion mail: what became of recordings. The password is the secret HER_OS_MAIL_PASSWORD."""

    host: str = ""
    """SMTP server; empty: no mail."""
    port: Port = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`tls` from the first byte (port 465). `none` sends everything in the clear and takes no password."""
    ca_file: str = ""
    """PEM file of the authority that signed a server of your own; empty: those the system trusts."""
    user: str = ""
    sender: EmailAddress = ""
    """Empty: `user`."""
    recipients: tuple[EmailAddress, ...] = ()
    attach: tuple[Literal["json", "srt", "vtt", "txt", "md"], ...] = ()
    timeout_s: Positive = 30
    """For one answer of the server."""
    give_up_after_h: Positive = 72

    def __post_init__(self) -> None:
        """Refuse what could never be sent; msgspec adds where."""
        if not self.host:
            return
        if not all(self.recipients) or not self.recipients:
            raise ValueError("`recipients` must name at least one address where `host` is set")
        if not self.sender and "@" not in self.user:
            raise ValueError("`sender` must be an address where `user` is none")
        if self.user and self.security == "none":
            raise ValueError("`user` needs `security: starttls` or `tls`: a password is never sent in the clear")


class Models(Section, frozen=True):
    """The model store: where models are kept and come from. Engines name a model in their own sections."""

    folder: str = ""
    """Empty: `model-store` in the cache directory."""
    catalogue: Path = Path("models.yaml")
    """Entries of the owner's, beside those that ship."""
    hub: Annotated[str, Meta(pattern=r"^https?://")] = "https://huggingface.co"
    """Where `repository` of an entry is; a mirror speaks the same way."""


class Environment(Section, frozen=True):
    """Flags of the environment, read once at start. A change needs a restart."""

    enable_barge_in: bool = False
    log_level: str = "INFO"
    state_dir: Path = Path("~/.her-os/state")
    cache_dir: Path = Path("~/.cache/her-os")
    secrets_file: Path = Path("~/.her-os/secrets.env")
    web_concurrency: int = 1
    """WEB_CONCURRENCY, where a process manager sets it. Daemons that cap sessions in one process refuse more than 1."""


class Settings(Section, frozen=True):
    """The whole configuration."""

    assistant: Assistant = field(default_factory=Assistant)
    phone: Phone = field(default_factory=Phone)
    conversation: Conversation = field(default_factory=Conversation)
    stt: SpeechToText = field(default_factory=SpeechToText)
    stt_batch: SpeechToTextBatch = field(default_factory=SpeechToTextBatch)
    tts: TextToSpeech = field(default_factory=TextToSpeech)
    llm: LanguageModel = field(default_factory=LanguageModel)
    wake: WakeWord = field(default_factory=WakeWord)
    transcripts: Transcripts = field(default_factory=Transcripts)
    mail: Mail = field(default_factory=Mail)
    models: Models = field(default_factory=Models)
    loader: Loader = field(default_factory=Loader)
    services: Services = field(default_factory=Services)
    contacts: Path = Path("contacts.yaml")
    source: str = ""
    """The file these came from; empty for the embedded defaults. Set by the loader, not by the file."""
    environment: Environment = field(default_factory=Environment)
    """Set from the environment, not by the file."""

    def resolve(self, path: Path) -> Path:
        """A path of the configuration, made absolute from the configuration file's folder."""
        path = path.expanduser()
        if path.is_absolute() or not self.source:
            return path
        return Path(self.source).parent / path
