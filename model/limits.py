"""Public limits of requests, the engine, networks and training. Each limit has its own error message where it is enforced."""

CLASS_SIZE = 600  # phones, which may share one address

# Limits of a request. They apply to the page, the command line and the API alike.
MAX_PROMPT_CHARS = 10_000
MAX_NEW_CHARS = 2_000
MAX_SCORE_CHARS = MAX_PROMPT_CHARS + MAX_NEW_CHARS  # a prompt with its longest continuation can be scored
MAX_SAMPLES = 16
MAX_ENCODED_CHARS = 100_000  # of a text that is shown as numbers
MAX_CHUNKS = 64  # of a text, drawn at a time
MAX_CHUNK_CHARS = 256
MAX_ABLATION_CHARS = 300  # of a text written with heads off, which is not batched with other texts
MAX_REQUEST_CHARS = 150  # of a request to an assistant: with the longest answer it fits the context of the shipped models
MAX_TEMPERATURE = 2.0
MAX_SEED = 2**53 - 1  # the largest whole number that a browser's JavaScript holds exactly
MAX_WAITING_REQUESTS = 512
MAX_CLIENT_WAITING = MAX_WAITING_REQUESTS // 2  # per client: a class behind one address keeps nobody else out
MAX_VIEWER_WAITING = 16  # per viewer
MAX_WAITING_WORK = 64  # short pieces of work with the model other than writing

# Limits of the engine. A row is one text being written.
MAX_ROWS = 512  # fewer if memory is short
MAX_VIEWER_ROWS = 64  # per viewer
MAX_SNAPSHOT_ROWS = 32  # of one snapshot of a run: pages write a row with each, and many are in memory together
MAX_STEP_ROWS = 128  # more rows per step would only make steps longer, without more characters per second
MAX_REQUEST_RECORD_BYTES = 2**24  # logits and intervals of one request's characters
MAX_RECORD_BYTES = 2**28  # ... of all requests together; the oldest are dropped first
MAX_RECENT_REQUESTS = 2_000
RECENT_REQUEST_LIFETIME_S = 1_800
MAX_CAPTURES = 256  # texts whose attention is kept
MAX_CAPTURE_BYTES = 2**28  # ... of all captures together; the least recently used are dropped first
MAX_CAPTURE_NUMBERS = 2**24  # ... of one capture; a large model's capture has less than a block
MAX_LOADED_MODELS = 48  # nine networks and the snapshots of three runs; the least recently used idle model is dropped first
CACHE_MEMORY_SHARE = 0.25  # of the memory free at start, for the default model's keys and values
OTHER_MODELS_MEMORY_SHARE = 0.25  # ... for all other models together, weights included; those in use are kept beyond that

# Limits of a network's shape: wide enough for anything one would train here, narrow enough to catch typing errors.
MAX_BLOCK_SIZE = 4_096
MAX_VOCAB_SIZE = 4_096
MAX_LAYERS = 64
MAX_N_EMBD = 4_096
MAX_RANK = 512  # of an adapter

# Limits of a lecture.
MAX_LECTURE_BYTES = 2**18  # of its file; the one that comes with the app has 18,005
MAX_SCENES = 200
MAX_SCENE_TITLE_CHARS = 80  # of a scene's title, and of the lecture's
MAX_CAPTION_CHARS = 240  # three lines in a hall
MAX_NOTES_CHARS = 4_000
MAX_SCENE_ADDRESS_CHARS = 8_000

# Limits of the Hub.
MAX_SPACE_BYTES = 10**9  # of all files of a Space
MAX_HUB_WEIGHTS_BYTES = 2**30  # of a model's file of weights; 500 M parameters in 16 bits
MAX_HUB_JSON_BYTES = 2**20  # of any other file that is fetched
MAX_HUB_MODELS = 16  # listed at a time

# Limits of training from the page.
MAX_CORPUS_BYTES = 32 * 2**20  # encoding takes up to 16 more bytes per character
MAX_RUNS = 100
MAX_EVALUATIONS = 10_000  # per run; each evaluation writes a sample
MAX_SNAPSHOTS = 100  # per run
MAX_SNAPSHOT_BYTES = 2**27  # ... of all snapshots of a run together: a large network keeps fewer
MAX_STEPS = 200_000  # per run; the page shows every step
MAX_NAME_CHARS = 60  # of a run

# Limits of the assistant.
MAX_COMPARISONS = 20_000  # that a reward model learns from; a class decides on a few hundred
MAX_ASKED = 1_000  # requests of each skill that a measurement answers

# Limits of translations.
MAX_SOURCE_CHARS = 256  # of a text to translate, whatever the network's positions
MAX_BEAMS = 8  # of a beam search

# Limits of meaning.
MAX_SENTENCE_CHARS = 200  # of a sentence that is compared with others; the network has learned from texts of up to 110
MAX_ENDINGS = 8  # of a beginning, to choose from by likelihood
MAX_ENDING_CHARS = 200

# Limits of the class.
MAX_MEMBERS = 2_000  # phones that are remembered
NEW_MEMBERS_AT_ONCE = CLASS_SIZE  # from one address, and after that one more each time that this has passed:
NEW_MEMBER_EVERY_S = 6.0
MAX_MEMBER_NAME_CHARS = 24
MAX_ROUNDS = 32  # that are kept; the oldest go first
MAX_THROWS = 1_000  # of a round
MAX_ROUND_CHARS = 500  # of each text of a round
MAX_VOTES = 32  # rounds of votes that are kept; the oldest go first
MAX_VOTE_PAIRS = 10  # in a round of votes
MAX_ANSWER_CHARS = 500  # of an answer that is voted on
MAX_LEAD_CHARS = 8_000  # of the address of what the lecturer shows
MAX_LEAD_TITLE_CHARS = 200
MAX_LEAD_KEYS = 64  # of texts that it shows
MAX_LEAD_KEY_CHARS = 64
