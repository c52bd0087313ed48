"""The AI assistants, agents, editors and model servers that are looked for, and what each is known by.

Each tool names the page about its installation. On 2026-11-27 the names of packages were compared with the
lists of npmjs.com and pypi.org; those of extensions are their identifiers in the editors' marketplaces. The
paths of programs were not compared with the vendors' pages. A tool has the name that it has as a client in
kolide_mcp_servers, and as a tool in kolide_llm_models.
"""

from typing import NamedTuple

__all__ = ["EXTENSION_FOLDERS", "TOOLS", "Tool"]


class Tool(NamedTuple):
    """A tool.

    Attributes:
        name: the tool.
        kind: agent, assistant, editor or server.
        source: the page about its installation.
        programs: absolute paths, or paths below a home, of its program or folder on any platform; `*` stands
            for any name.
        npm: its packages for Node.js; some have had another name before.
        python: its package for Python.
        extensions: its extensions for VS Code and the editors made from it.
        flatpak: its application on Flathub.
        snap: its snap.
        processes: names of its processes, in lower case.
    """

    name: str
    kind: str
    source: str
    programs: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()
    python: str = ""
    extensions: tuple[str, ...] = ()
    flatpak: str = ""
    snap: str = ""
    processes: tuple[str, ...] = ()


def _editor(name: str, application: str, source: str, *more: str) -> Tool:
    """Return an editor of VS Code's kind, which is installed as such editors are."""
    lower = application.lower()
    places = (
        f"/usr/share/{lower}",
        f"/opt/{application}",
        f"/Applications/{application}.app",
        f"AppData/Local/Programs/{application}/{application}.exe",
    )
    return Tool(name, "editor", source, programs=(*places, *more), processes=(lower,))


TOOLS = (
    Tool(
        "claude-code",
        "agent",
        "https://code.claude.com/docs/en/setup",
        programs=(".local/bin/claude", ".claude/local/claude", ".local/bin/claude.exe"),
        npm=("@anthropic-ai/claude-code",),
        extensions=("anthropic.claude-code",),
        processes=("claude",),
    ),
    Tool(
        "claude-desktop",
        "assistant",
        "https://claude.com/download",
        programs=(
            "/Applications/Claude.app",
            "/usr/bin/claude-desktop",
            "AppData/Local/AnthropicClaude/claude.exe",
        ),
        processes=("claude-desktop",),
    ),
    Tool(
        "codex",
        "agent",
        "https://developers.openai.com/codex/cli",
        programs=("/opt/homebrew/bin/codex", "/usr/local/bin/codex", ".local/bin/codex"),
        npm=("@openai/codex",),
        extensions=("openai.chatgpt",),
        processes=("codex",),
    ),
    Tool(
        "chatgpt",
        "assistant",
        "https://openai.com/chatgpt/desktop/",
        programs=("/Applications/ChatGPT.app",),
        processes=("chatgpt",),
    ),
    Tool(
        "gemini-cli",
        "agent",
        "https://geminicli.com/docs/get-started/installation",
        npm=("@google/gemini-cli",),
        extensions=("google.gemini-cli-vscode-ide-companion",),
        processes=("gemini",),
    ),
    Tool(
        "gemini-code-assist",
        "assistant",
        "https://developers.google.com/gemini-code-assist",
        extensions=("google.geminicodeassist",),
    ),
    Tool(
        "qwen-code",
        "agent",
        "https://github.com/QwenLM/qwen-code",
        npm=("@qwen-code/qwen-code",),
        extensions=("qwenlm.qwen-code-vscode-ide-companion",),
        processes=("qwen",),
    ),
    Tool(
        "copilot",
        "assistant",
        "https://code.visualstudio.com/docs/copilot/setup",
        extensions=("github.copilot", "github.copilot-chat"),
        processes=("copilot-language-server",),
    ),
    Tool(
        "copilot-cli",
        "agent",
        "https://docs.github.com/copilot/how-tos/copilot-cli/set-up-copilot-cli/install-copilot-cli",
        programs=(".local/bin/copilot",),
        npm=("@github/copilot",),
        processes=("copilot",),
    ),
    Tool(
        "cline",
        "agent",
        "https://docs.cline.bot/getting-started/installing-cline",
        npm=("cline",),
        extensions=("saoudrizwan.claude-dev",),
        processes=("cline",),
    ),
    Tool(
        "roo-code",
        "agent",
        "https://docs.roocode.com/getting-started/installing",
        extensions=("rooveterinaryinc.roo-cline",),
    ),
    Tool(
        "kilo-code",
        "agent",
        "https://kilo.ai/docs/getting-started/installing",
        npm=("@kilocode/cli",),
        extensions=("kilocode.kilo-code",),
        processes=("kilo", "kilocode"),
    ),
    Tool(
        "continue",
        "agent",
        "https://docs.continue.dev/",
        npm=("@continuedev/cli",),
        extensions=("continue.continue",),
    ),
    Tool(
        "opencode",
        "agent",
        "https://opencode.ai/docs/",
        programs=(".opencode/bin/opencode", "/usr/bin/opencode", "/opt/homebrew/bin/opencode"),
        npm=("opencode-ai",),
        extensions=("sst-dev.opencode",),
        processes=("opencode",),
    ),
    Tool(
        "crush",
        "agent",
        "https://github.com/charmbracelet/crush",
        programs=("/usr/bin/crush", "/opt/homebrew/bin/crush", "go/bin/crush"),
        npm=("@charmland/crush",),
        processes=("crush",),
    ),
    Tool(
        "goose",
        "agent",
        "https://goose-docs.ai/docs/getting-started/installation",
        programs=(".local/bin/goose", "/Applications/Goose.app", "/usr/lib/goose", "/opt/homebrew/bin/goose"),
        processes=("goose", "goosed"),
    ),
    Tool(
        "amp",
        "agent",
        "https://ampcode.com/manual#install",
        programs=(".local/bin/amp", ".amp/bin/amp"),
        npm=("@ampcode/cli", "@sourcegraph/amp"),
        extensions=("sourcegraph.amp",),
        processes=("amp",),
    ),
    Tool("cody", "assistant", "https://sourcegraph.com/docs/cody", extensions=("sourcegraph.cody-ai",)),
    Tool(
        "augment",
        "agent",
        "https://docs.augmentcode.com/cli/setup-auggie/install-auggie-cli",
        npm=("@augmentcode/auggie",),
        extensions=("augment.vscode-augment",),
        processes=("auggie",),
    ),
    Tool(
        "amazon-q",
        "agent",
        "https://docs.aws.amazon.com/amazonq/latest/qdeveloper-ug/command-line-installing.html",
        programs=(".local/bin/q", "/usr/bin/q", "/Applications/Amazon Q.app"),
        extensions=("amazonwebservices.amazon-q-vscode",),
        processes=("qchat",),
    ),
    Tool(
        "factory-droid",
        "agent",
        "https://docs.factory.ai/cli/getting-started/quickstart",
        programs=(".local/bin/droid",),
        npm=("droid", "@factory/cli"),
        processes=("droid",),
    ),
    Tool(
        "junie",
        "agent",
        "https://www.jetbrains.com/help/junie/",
        programs=(
            ".local/share/JetBrains/*/junie",
            "Library/Application Support/JetBrains/*/plugins/junie",
            "AppData/Roaming/JetBrains/*/plugins/junie",
            ".local/bin/junie",
        ),
        processes=("junie",),
    ),
    Tool(
        "jetbrains-ai",
        "assistant",
        "https://www.jetbrains.com/help/ai-assistant/installation-guide-ai-assistant.html",
        programs=(
            ".local/share/JetBrains/*/ml-llm",
            "Library/Application Support/JetBrains/*/plugins/ml-llm",
            "AppData/Roaming/JetBrains/*/plugins/ml-llm",
        ),
    ),
    Tool(
        "copilot-intellij",
        "assistant",
        "https://docs.github.com/copilot/how-tos/set-up/install-copilot-extension",
        programs=(
            ".local/share/JetBrains/*/github-copilot-intellij",
            "Library/Application Support/JetBrains/*/plugins/github-copilot-intellij",
            "AppData/Roaming/JetBrains/*/plugins/github-copilot-intellij",
        ),
    ),
    Tool("tabnine", "assistant", "https://docs.tabnine.com/", extensions=("tabnine.tabnine-vscode",)),
    Tool("codeium", "assistant", "https://docs.windsurf.com/plugins", extensions=("codeium.codeium",)),
    Tool("supermaven", "assistant", "https://supermaven.com/", extensions=("supermaven.supermaven",)),
    Tool("qodo", "assistant", "https://docs.qodo.ai/", npm=("@qodo/command",), extensions=("codium.codium",)),
    Tool("qoder", "agent", "https://docs.qoder.com/", npm=("@qoder-ai/qodercli",), processes=("qodercli",)),
    Tool("codebuff", "agent", "https://www.codebuff.com/docs", npm=("codebuff",), processes=("codebuff",)),
    Tool("letta-code", "agent", "https://docs.letta.com/", npm=("@letta-ai/letta-code",)),
    Tool("mastra-code", "agent", "https://mastra.ai/docs", npm=("mastracode",)),
    Tool("hermes", "agent", "https://github.com/NousResearch/hermes-agent", python="hermes-agent"),
    Tool("deepagents", "agent", "https://docs.langchain.com/", python="deepagents-cli"),
    Tool("gptme", "agent", "https://gptme.org/docs/", python="gptme", processes=("gptme",)),
    Tool("blackbox", "assistant", "https://www.blackbox.ai/", extensions=("blackboxapp.blackbox",)),
    Tool("codegpt", "assistant", "https://codegpt.co/", extensions=("danielsanmedium.dscodegpt",)),
    Tool("lingma", "assistant", "https://lingma.aliyun.com/", extensions=("alibaba-cloud.tongyi-lingma",)),
    Tool(
        "codebuddy",
        "agent",
        "https://www.codebuddy.ai/docs/cli/installation",
        extensions=("tencent-cloud.coding-copilot",),
        processes=("codebuddy",),
    ),
    Tool(
        "iflow",
        "agent",
        "https://platform.iflow.cn/en/cli/quickstart",
    ),
    Tool(
        "openclaw",
        "agent",
        "https://docs.openclaw.ai/install",
        npm=("openclaw",),
        processes=("openclaw", "openclaw-gateway"),
    ),
    Tool(
        "pi",
        "agent",
        "https://github.com/badlogic/pi-mono",
        npm=("@earendil-works/pi-coding-agent", "@mariozechner/pi-coding-agent"),
    ),
    Tool(
        "aider",
        "agent",
        "https://aider.chat/docs/install.html",
        programs=(".local/bin/aider",),
        python="aider-chat",
        processes=("aider",),
    ),
    Tool(
        "openhands",
        "agent",
        "https://docs.openhands.dev/",
        python="openhands",
        processes=("openhands",),
    ),
    Tool(
        "mistral-vibe", "agent", "https://docs.mistral.ai/vibe/", python="mistral-vibe", processes=("vibe",)
    ),
    Tool(
        "kimi-code",
        "agent",
        "https://moonshotai.github.io/kimi-cli/",
        python="kimi-cli",
        processes=("kimi",),
    ),
    Tool(
        "open-interpreter",
        "agent",
        "https://docs.openinterpreter.com/",
        python="open-interpreter",
        processes=("interpreter",),
    ),
    Tool("llm", "assistant", "https://llm.datasette.io/en/stable/setup.html", python="llm"),
    _editor(
        "cursor",
        "Cursor",
        "https://cursor.com/docs/get-started/installation",
        ".local/bin/cursor-agent",
        "AppData/Local/Programs/cursor/Cursor.exe",
    ),
    _editor("windsurf", "Windsurf", "https://docs.windsurf.com/windsurf/getting-started"),
    _editor("trae", "Trae", "https://docs.trae.ai/ide/set-up-trae"),
    _editor("kiro", "Kiro", "https://kiro.dev/docs/getting-started/installation/", ".local/bin/kiro-cli"),
    _editor("antigravity", "Antigravity", "https://antigravity.google/docs/get-started"),
    _editor("void", "Void", "https://voideditor.com/"),
    Tool(
        "zed",
        "editor",
        "https://zed.dev/docs/linux",
        programs=(
            ".local/zed.app",
            "/usr/bin/zeditor",
            "/Applications/Zed.app",
            "AppData/Local/Programs/Zed/Zed.exe",
        ),
        flatpak="dev.zed.Zed",
        processes=("zed", "zed-editor", "zeditor"),
    ),
    Tool(
        "warp",
        "agent",
        "https://docs.warp.dev/getting-started/quickstart/installation-and-setup",
        programs=(
            "/opt/warpdotdev/warp-terminal/warp",
            "/Applications/Warp.app",
            "AppData/Local/Programs/Warp/warp.exe",
        ),
        processes=("warp", "warp-terminal"),
    ),
    Tool("raycast", "assistant", "https://www.raycast.com/", programs=("/Applications/Raycast.app",)),
    Tool("boltai", "assistant", "https://boltai.com/", programs=("/Applications/BoltAI.app",)),
    Tool(
        "witsy",
        "assistant",
        "https://github.com/nbonamy/witsy",
        programs=("/Applications/Witsy.app", "/usr/lib/witsy"),
        processes=("witsy",),
    ),
    Tool(
        "anythingllm",
        "assistant",
        "https://docs.anythingllm.com/installation-desktop/overview",
        programs=(
            "AnythingLLMDesktop.AppImage",
            "/Applications/AnythingLLM.app",
            "AppData/Local/Programs/AnythingLLM/AnythingLLM.exe",
        ),
        processes=("anythingllm",),
    ),
    Tool(
        "jan",
        "server",
        "https://jan.ai/docs/desktop/install",
        programs=("/usr/bin/Jan", "/Applications/Jan.app", "AppData/Local/Programs/jan/Jan.exe"),
        flatpak="ai.jan.Jan",
        processes=("jan",),
    ),
    Tool(
        "lm-studio",
        "server",
        "https://lmstudio.ai/docs/app/system-requirements",
        programs=(
            ".lmstudio/bin/lms",
            "/Applications/LM Studio.app",
            "AppData/Local/Programs/LM Studio/LM Studio.exe",
        ),
        processes=("lm-studio", "lm studio", "lms", "llmster"),
    ),
    Tool(
        "ollama",
        "server",
        "https://docs.ollama.com/linux",
        programs=(
            "/usr/local/bin/ollama",
            "/usr/bin/ollama",
            "/opt/homebrew/bin/ollama",
            "/Applications/Ollama.app",
            "AppData/Local/Programs/Ollama/ollama.exe",
        ),
        snap="ollama",
        processes=("ollama",),
    ),
    Tool(
        "llama.cpp",
        "server",
        "https://github.com/ggml-org/llama.cpp/blob/master/docs/install.md",
        programs=("/usr/local/bin/llama-server", "/usr/bin/llama-server", "/opt/homebrew/bin/llama-server"),
        processes=("llama-server",),
    ),
    Tool(
        "vllm",
        "server",
        "https://docs.vllm.ai/en/latest/getting_started/installation/",
        programs=(".local/bin/vllm",),
        python="vllm",
        processes=("vllm",),
    ),
    Tool("sglang", "server", "https://docs.sglang.ai/", python="sglang"),
    Tool("mlx-lm", "server", "https://github.com/ml-explore/mlx-lm", python="mlx-lm"),
    Tool("llama-cpp-python", "server", "https://llama-cpp-python.readthedocs.io/", python="llama-cpp-python"),
    Tool(
        "gpt4all",
        "server",
        "https://docs.gpt4all.io/",
        programs=("gpt4all/bin/chat", "/Applications/gpt4all/bin/gpt4all.app"),
        flatpak="io.gpt4all.gpt4all",
        processes=("gpt4all",),
    ),
    Tool(
        "localai",
        "server",
        "https://localai.io/installation/",
        programs=("/usr/local/bin/local-ai", "/opt/homebrew/bin/local-ai"),
        processes=("local-ai",),
    ),
    Tool(
        "open-webui",
        "server",
        "https://docs.openwebui.com/getting-started/quick-start",
        programs=(".local/bin/open-webui",),
        python="open-webui",
        processes=("open-webui",),
    ),
    Tool(
        "huggingface",
        "server",
        "https://huggingface.co/docs/huggingface_hub/guides/cli",
        programs=(".local/bin/hf", ".local/bin/huggingface-cli"),
        python="huggingface-hub",
    ),
)

# Folders below a home in which editors keep extensions, with a list of them in extensions.json.
EXTENSION_FOLDERS = (
    ".vscode/extensions",
    ".vscode-insiders/extensions",
    ".vscode-oss/extensions",
    ".vscode-server/extensions",
    ".vscode-server-insiders/extensions",
    ".cursor/extensions",
    ".cursor-server/extensions",
    ".windsurf/extensions",
    ".windsurf-server/extensions",
    ".vscodium-server/extensions",
    ".vscode-remote/extensions",
    ".openvscode-server/extensions",
    ".local/share/code-server/extensions",
    ".windsurf-next/extensions",
    ".trae/extensions",
    ".trae-cn/extensions",
    ".trae-server/extensions",
    ".kiro/extensions",
    ".kiro-server/extensions",
    ".antigravity/extensions",
    ".antigravity-server/extensions",
    ".qoder/extensions",
    ".void-editor/extensions",
    ".positron/extensions",
    ".var/app/com.visualstudio.code/data/vscode/extensions",
    ".var/app/com.vscodium.codium/data/codium/extensions",
)
