"""The programs that use MCP servers: where each keeps its configuration, and how it writes a server down.

Each client names the page that documents it. On 2026-11-27 the paths and keys were compared with the vendors'
documentation or source, as far as public copies of them exist, and else with public code that reads or writes
the same files; `is_compared` is False for those of which neither was found. They were gathered from the
agents' pages of the Rust crate agent-config
(https://docs.rs/crate/agent-config/0.2.0/source/docs/agents/README.md), and from the clients that Toolport
supports (https://github.com/tsouth89/toolport). The paths of macOS and Windows follow from the same pages;
they were not tried there.

In paths, `{config}` is the platform's folder for settings (.config, Library/Application Support or
AppData/Roaming), `{data}` its folder for data, `{dotted}` is .config except on Windows, and `{editor}` is the
folder `User` of each build of VS Code and of each editor made from it. `*` stands for any name.
"""

from collections.abc import Iterator
from typing import NamedTuple

__all__ = [
    "CLIENTS",
    "EDITORS",
    "Client",
    "Editor",
    "editor_clients",
    "editor_folders",
    "managed_paths",
    "user_paths",
]

_MCP_SERVERS = ("mcpServers",)


class Client(NamedTuple):
    """A client's files of one form.

    Attributes:
        name: the client.
        source: the page that documents it.
        user: files below a home.
        project: files below a project's folder.
        managed: files that an administrator lays down for all users; absolute.
        plugin: files below a home that extensions of the client have brought.
        keys: keys that lead to the servers in a file.
        bare_url: transport of a server with the key `url` and no transport.
        is_one: whether the keys lead to a single server, which has the document's name.
        has_switch: whether the keys `disabled` and `enabled` of a server mean anything to it.
        rules: files below a home whose lists of allowed and excluded servers hold for all its files.
        switches: a file below a home with the servers that the user has switched off.
        is_compared: whether its facts were compared with another source than the one they were gathered from.
    """

    name: str
    source: str
    user: tuple[str, ...] = ()
    project: tuple[str, ...] = ()
    managed: tuple[str, ...] = ()
    plugin: tuple[str, ...] = ()
    keys: tuple[str, ...] = _MCP_SERVERS
    bare_url: str = "http"
    is_one: bool = False
    has_switch: bool = True
    rules: tuple[str, ...] = ()
    switches: str = ""
    is_compared: bool = True


class Editor(NamedTuple):
    """A build of VS Code, or an editor made from it.

    Attributes:
        name: the client.
        folder: its folder below the platform's folder for settings, if it has one.
        flatpak: its application on Flathub, if there is one.
        server: its folder for data in the home of a machine that it is used on from afar.
        has_own_servers: whether it reads VS Code's own files for MCP servers.
    """

    name: str
    folder: str
    flatpak: str | None = None
    server: str | None = None
    has_own_servers: bool = False


# Sources: https://code.visualstudio.com/docs/configure/settings, the manifests on flathub.org, and the
# `dataFolderName` and `serverDataFolderName` of each editor's product.json.
EDITORS = (
    Editor("vscode", "Code", "com.visualstudio.code", ".vscode-server/data", has_own_servers=True),
    Editor(
        "vscode-insiders",
        "Code - Insiders",
        "com.visualstudio.code.insiders",
        ".vscode-server-insiders/data",
        has_own_servers=True,
    ),
    Editor("vscodium", "VSCodium", "com.vscodium.codium", ".vscodium-server/data", has_own_servers=True),
    Editor(
        "vscodium-insiders",
        "VSCodium - Insiders",
        "com.vscodium.codium-insiders",
        ".vscodium-server-insiders/data",
        has_own_servers=True,
    ),
    Editor("code-oss", "Code - OSS", "com.visualstudio.code-oss", None, has_own_servers=True),
    Editor("cursor", "Cursor", None, ".cursor-server/data"),
    Editor("windsurf", "Windsurf", None, ".windsurf-server/data"),
    Editor("trae", "Trae", None, ".trae-server/data"),
    Editor("kiro", "Kiro", None, ".kiro-server/data"),
    Editor("antigravity", "Antigravity", None, ".antigravity-server/data"),
    Editor("positron", "Positron", None, ".positron-server/data", has_own_servers=True),
    Editor("windsurf", "Windsurf - Next"),
    Editor("trae", "Trae CN", None, ".trae-cn-server/data"),
    Editor("qoder", "Qoder"),
    Editor("void", "Void"),
    # VS Code in a browser: GitHub Codespaces, Gitpod's server, and Coder's.
    Editor("vscode", "", None, ".vscode-remote/data", has_own_servers=True),
    Editor("openvscode-server", "", None, ".openvscode-server/data", has_own_servers=True),
    Editor("code-server", "", None, ".local/share/code-server", has_own_servers=True),
)

_VSCODE = "https://code.visualstudio.com/docs/agents/reference/mcp-configuration"
_VISUAL_STUDIO = "https://learn.microsoft.com/visualstudio/ide/mcp-servers"
_CLAUDE_CODE = "https://code.claude.com/docs/en/mcp"
_GEMINI = "https://geminicli.com/docs/reference/configuration"
_QWEN = "https://qwenlm.github.io/qwen-code-docs/en/users/configuration/settings/"
_CODEX = "https://developers.openai.com/codex/mcp"
_OPENCODE = "https://opencode.ai/docs/config/"
_AMP = "https://ampcode.com/manual#configuration"
_KILO = "https://kilo.ai/docs/automate/mcp/using-in-kilo-code"
_AMAZON_Q = "https://docs.aws.amazon.com/amazonq/latest/qdeveloper-ug/qdev-mcp.html"

CLIENTS = (
    Client(
        "claude-desktop",
        "https://modelcontextprotocol.io/quickstart/user",
        user=("{config}/Claude/claude_desktop_config.json",),
    ),
    Client(
        "claude-desktop",
        "https://github.com/modelcontextprotocol/mcpb/blob/main/MANIFEST.md",
        plugin=("{config}/Claude/Claude Extensions/*/manifest.json",),
        keys=("server", "mcp_config"),
        is_one=True,
    ),
    # The user's own servers, and those of plugins, are in files that claude_code.py reads.
    Client(
        "claude-code",
        _CLAUDE_CODE,
        project=(".mcp.json",),
        managed=("{claude}/managed-mcp.json",),
        has_switch=False,
    ),
    Client(
        "claude-code",
        "https://code.claude.com/docs/en/sub-agents",
        user=(".claude/agents/*.md",),
        project=(".claude/agents/*.md",),
        is_compared=False,
        has_switch=False,
    ),
    Client(
        "cursor",
        "https://cursor.com/docs/context/mcp",
        user=(".cursor/mcp.json",),
        project=(".cursor/mcp.json",),
    ),
    Client("vscode", _VSCODE, project=(".vscode/mcp.json",), keys=("servers",), has_switch=False),
    Client("vscode", _VSCODE, project=(".vscode/settings.json",), keys=("mcp", "servers"), has_switch=False),
    Client(
        "vscode",
        _VSCODE,
        project=("*.code-workspace",),
        keys=("settings", "mcp", "servers"),
        has_switch=False,
    ),
    Client(
        "vscode",
        _VSCODE,
        project=(
            ".devcontainer.json",
            ".devcontainer/devcontainer.json",
            ".devcontainer/*/devcontainer.json",
        ),
        keys=("customizations", "vscode", "mcp", "servers"),
        has_switch=False,
    ),
    Client(
        "visual-studio",
        _VISUAL_STUDIO,
        user=(".mcp.json",),
        project=(".mcp.json", ".vs/mcp.json"),
        keys=("servers",),
    ),
    Client(
        "cline",
        "https://docs.cline.bot/mcp/configuring-mcp-servers",
        user=(
            "{editor}/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
            ".cline/data/settings/cline_mcp_settings.json",
        ),
        bare_url="sse",
    ),
    Client(
        "roo-code",
        "https://docs.roocode.com/features/mcp/using-mcp-in-roo",
        user=("{editor}/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json",),
        project=(".roo/mcp.json",),
        bare_url="sse",
    ),
    Client(
        "kilo-code",
        _KILO,
        user=(
            "{editor}/globalStorage/kilocode.kilo-code/settings/mcp_settings.json",
            ".kilocode/cli/global/settings/mcp_settings.json",
        ),
        project=(".kilocode/mcp.json", ".kilo/mcp.json"),
        bare_url="sse",
    ),
    Client(
        "kilo-code",
        _KILO,
        user=(".config/kilo/kilo.json", ".config/kilo/kilo.jsonc"),
        project=("kilo.json", "kilo.jsonc", ".kilo/kilo.json", ".kilo/kilo.jsonc"),
        keys=("mcp",),
    ),
    Client(
        "windsurf",
        "https://docs.windsurf.com/windsurf/cascade/mcp",
        user=(".codeium/windsurf/mcp_config.json", ".codeium/mcp_config.json"),
    ),
    Client(
        "devin",
        "https://docs.devin.ai/work-with-devin/mcp",
        user=("{dotted}/devin/mcp_config.json",),
        project=(".devin/mcp_config.json", ".devin/mcp_config.local.json"),
    ),
    Client(
        "gemini-cli",
        _GEMINI,
        user=(".gemini/settings.json",),
        project=(".gemini/settings.json",),
        managed=("{gemini}/system-defaults.json", "{gemini}/settings.json"),
        plugin=(".gemini/extensions/*/gemini-extension.json",),
        bare_url="sse",
        rules=(".gemini/settings.json",),
        switches=".gemini/mcp-server-enablement.json",
        has_switch=False,
    ),
    Client(
        "antigravity",
        "https://antigravity.google/docs/mcp",
        user=(
            ".gemini/config/mcp_config.json",
            ".gemini/antigravity/mcp_config.json",
            ".gemini/antigravity-cli/mcp_config.json",
        ),
        project=(".agents/mcp_config.json", ".agent/mcp_config.json"),
    ),
    Client(
        "qwen-code",
        _QWEN,
        user=(".qwen/settings.json",),
        project=(".qwen/settings.json",),
        managed=("{qwen}/system-defaults.json", "{qwen}/settings.json"),
        plugin=(".qwen/extensions/*/qwen-extension.json",),
        bare_url="sse",
        rules=(".qwen/settings.json",),
    ),
    Client(
        "codex",
        _CODEX,
        user=(".codex/config.toml", ".codex/*.config.toml"),
        project=(".codex/config.toml",),
        managed=("{codex}/config.toml", "{codex}/managed_config.toml"),
        keys=("mcp_servers",),
    ),
    Client(
        "zed",
        "https://zed.dev/docs/ai/mcp",
        user=("{dotted}/{zed}/settings.json", ".var/app/dev.zed.Zed/config/zed/settings.json"),
        project=(".zed/settings.json",),
        keys=("context_servers",),
    ),
    Client(
        "continue",
        "https://docs.continue.dev/customize/deep-dives/mcp",
        user=(
            ".continue/config.yaml",
            ".continue/mcpServers/*.yaml",
            ".continue/mcpServers/*.yml",
            ".continue/mcpServers/*.json",
        ),
        project=(
            ".continue/mcpServers/*.yaml",
            ".continue/mcpServers/*.yml",
            ".continue/mcpServers/*.json",
        ),
    ),
    Client(
        "continue",
        "https://docs.continue.dev/reference/json-reference",
        user=(".continue/config.json",),
        keys=("experimental", "modelContextProtocolServers"),
        is_compared=False,
    ),
    Client(
        "amazon-q",
        _AMAZON_Q,
        user=(
            ".aws/amazonq/mcp.json",
            ".aws/amazonq/default.json",
            ".aws/amazonq/agents/*.json",
            ".aws/amazonq/cli-agents/*.json",
        ),
        project=(
            ".amazonq/mcp.json",
            ".amazonq/default.json",
            ".amazonq/agents/*.json",
            ".amazonq/cli-agents/*.json",
        ),
    ),
    Client(
        "lm-studio",
        "https://lmstudio.ai/docs/app/plugins/mcp",
        user=(".lmstudio/mcp.json", ".cache/lm-studio/mcp.json"),
    ),
    Client(
        "goose",
        "https://goose-docs.ai/docs/guides/config-files/",
        user=("{dotted}/{goose}/config.yaml", "{config}/Block/goose/config/config.yaml"),
        keys=("extensions",),
    ),
    Client(
        "junie",
        "https://www.jetbrains.com/help/junie/model-context-protocol-mcp.html",
        user=(".junie/mcp/mcp.json",),
        project=(".junie/mcp/mcp.json",),
    ),
    Client(
        "jetbrains-ai",
        "https://www.jetbrains.com/help/ai-assistant/mcp.html",
        user=(
            ".ai/mcp/mcp.json",
            "{config}/JetBrains/*/options/llm.mcpServers.xml",
            ".var/app/com.jetbrains.*/config/JetBrains/*/options/llm.mcpServers.xml",
        ),
        project=(".ai/mcp/mcp.json",),
    ),
    *(
        Client(
            "opencode",
            _OPENCODE,
            user=(
                ".config/opencode/opencode.json",
                ".config/opencode/opencode.jsonc",
                ".config/opencode/config.json",
            ),
            project=(
                "opencode.json",
                "opencode.jsonc",
                ".opencode/opencode.json",
                ".opencode/opencode.jsonc",
            ),
            managed=("{opencode}/opencode.json", "{opencode}/opencode.jsonc"),
            keys=keys,
        )
        # Of versions 1 and 2.
        for keys in (("mcp",), ("mcp", "servers"))
    ),
    Client(
        "crush",
        "https://github.com/charmbracelet/crush#mcps",
        user=(
            "{dotted}/crush/crush.json",
            "{crush}/crush.json",
            "{dotted}/crush/crushrc",
        ),
        project=("crush.json", ".crush.json", "crushrc", ".crushrc"),
        managed=("/etc/crush/crush.json",),
        keys=("mcp",),
    ),
    Client(
        "copilot-cli",
        "https://docs.github.com/en/copilot/how-tos/copilot-cli/customize-copilot/add-mcp-servers",
        user=(".copilot/mcp-config.json",),
        project=(".github/mcp.json",),
        has_switch=False,
        rules=(".copilot/settings.json", ".copilot/config.json"),
    ),
    Client(
        "copilot-cli",
        "https://docs.github.com/en/copilot/reference/custom-agents-configuration",
        user=(".copilot/agents/*.agent.md",),
        project=(".github/agents/*.md",),
        keys=("mcp-servers",),
        has_switch=False,
        rules=(".copilot/settings.json", ".copilot/config.json"),
    ),
    Client(
        "copilot-intellij",
        "https://docs.github.com/en/copilot/how-tos/provide-context/use-mcp/extend-copilot-chat-with-mcp",
        user=("{copilot}/github-copilot/intellij/mcp.json",),
        keys=("servers",),
    ),
    Client(
        "copilot-xcode",
        "https://docs.github.com/en/copilot/how-tos/provide-context/use-mcp/extend-copilot-chat-with-mcp",
        user=(".config/github-copilot/xcode/mcp.json",),
        keys=("servers",),
        is_compared=False,
    ),
    Client(
        "copilot-eclipse",
        "https://github.com/microsoft/copilot-for-eclipse/issues/127",
        user=("{dotted}/github-copilot/eclipse/mcp.json",),
        project=(".github/copilot/mcp.json",),
        keys=("servers",),
    ),
    Client(
        "kiro",
        "https://kiro.dev/docs/mcp/configuration/",
        user=(".kiro/settings/mcp.json", ".kiro/agents/*.json"),
        project=(".kiro/settings/mcp.json", ".kiro/agents/*.json"),
    ),
    Client(
        "trae",
        "https://docs.trae.ai/ide/add-mcp-servers",
        user=(
            "{config}/Trae/User/mcp.json",
            "{config}/Trae/mcp.json",
            "{config}/Trae CN/User/mcp.json",
            ".trae-server/data/Machine/mcp.json",
        ),
        project=(".trae/mcp.json", ".trae-cn/mcp.json"),
    ),
    Client(
        "amp",
        _AMP,
        user=(".config/amp/settings.json", ".config/amp/settings.jsonc", "{editor}/settings.json"),
        project=(".amp/settings.json", ".amp/settings.jsonc", ".vscode/settings.json"),
        managed=("{amp}/managed-settings.json",),
        keys=("amp.mcpServers",),
        has_switch=False,
        rules=(".config/amp/settings.json",),
    ),
    Client(
        "augment",
        "https://docs.augmentcode.com/cli/integrations",
        user=(".augment/settings.json",),
        project=(".augment/settings.json", ".augment/settings.local.json"),
    ),
    Client(
        "augment",
        "https://docs.augmentcode.com/setup-augment/mcp",
        user=("{editor}/settings.json",),
        keys=("augment.advanced", "mcpServers"),
        is_compared=False,
    ),
    Client(
        "warp",
        "https://docs.warp.dev/agents/capabilities/mcp",
        user=(".warp/.mcp.json",),
        project=(".warp/.mcp.json",),
    ),
    Client(
        "factory-droid",
        "https://docs.factory.ai/cli/configuration/mcp",
        user=(".factory/mcp.json", "{config}/Factory Bridge/mcp.json"),
        project=(".factory/mcp.json",),
    ),
    Client(
        "jan",
        "https://jan.ai/docs/desktop/mcp",
        user=(
            "{data}/Jan/data/mcp_config.json",
            "jan/mcp_config.json",
            ".var/app/ai.jan.Jan/data/Jan/data/mcp_config.json",
        ),
    ),
    Client(
        "boltai",
        "https://docs.boltai.com/docs/plugins/mcp-servers",
        user=(".boltai/mcp.json",),
    ),
    Client(
        "witsy",
        "https://github.com/nbonamy/witsy",
        user=("{config}/Witsy/settings.json",),
        is_compared=False,
    ),
    Client(
        "5ire",
        "https://github.com/nanbingxyz/5ire",
        user=("{config}/5ire/mcp.json",),
        is_compared=False,
    ),
    Client(
        "raycast",
        "https://raycast.com/EvanZhouDev/mcp",
        user=("Library/Application Support/com.raycast.macos/extensions/*/mcp-config.json",),
        is_compared=False,
    ),
    Client(
        "anythingllm",
        "https://docs.anythingllm.com/mcp-compatibility/desktop",
        user=("{config}/anythingllm-desktop/storage/plugins/anythingllm_mcp_servers.json",),
    ),
    Client(
        "codebuddy",
        "https://www.codebuddy.ai/docs/cli/mcp",
        user=(".codebuddy/.mcp.json", ".codebuddy/mcp.json"),
    ),
    Client(
        "firebender",
        "https://docs.firebender.com/context/mcp/overview",
        user=(".firebender/firebender.json",),
        project=("firebender.json",),
    ),
    Client(
        "hermes",
        "https://github.com/NousResearch/hermes-agent/blob/main/website/docs/user-guide/features/mcp.md",
        user=(".hermes/config.yaml",),
        keys=("mcp_servers",),
        is_compared=False,
    ),
    Client(
        "kimi-code",
        "https://moonshotai.github.io/kimi-code/en/customization/mcp",
        user=(".kimi-code/mcp.json", ".kimi/mcp.json"),
        project=(".kimi-code/mcp.json",),
    ),
    Client(
        "mistral-vibe",
        "https://docs.mistral.ai/vibe/code/cli/mcp-servers",
        user=(".vibe/config.toml",),
        project=(".vibe/config.toml",),
        keys=("mcp_servers",),
        is_compared=False,
    ),
    Client(
        "openhands",
        "https://docs.openhands.dev/openhands/usage/cli/mcp-servers",
        user=(".openhands/mcp.json",),
    ),
    Client(
        "pi",
        "https://github.com/nicobailon/pi-mcp-adapter",
        user=(".pi/agent/mcp.json", ".config/mcp/mcp.json"),
        project=(".pi/mcp.json",),
    ),
    Client(
        "qoder",
        "https://docs.qoder.com/user-guide/chat/model-context-protocol",
        user=(
            ".qoder/settings.json",
            ".qoder.json",
            "{config}/Qoder*/SharedClientCache/mcp.json",
            "{config}/Qoder*/*/SharedClientCache/mcp.json",
        ),
    ),
    Client(
        "lingma",
        "https://help.aliyun.com/zh/lingma/user-guide/guide-for-using-mcp",
        user=("{config}/Lingma/SharedClientCache/mcp.json",),
    ),
    Client(
        "rovo-dev",
        "https://support.atlassian.com/rovo/docs/connect-to-an-mcp-server-in-rovo-dev-cli/",
        user=(".rovodev/mcp.json",),
        project=(".rovodev/mcp.json",),
    ),
    Client(
        "tabnine",
        "https://docs.tabnine.com/main/getting-started/tabnine-agent/mcp-intro-and-setup",
        user=(".tabnine/mcp_servers.json", ".tabnine/agent/settings.json"),
        project=(".tabnine/mcp_servers.json", ".tabnine/agent/settings.json"),
        switches=".tabnine/agent/mcp-server-enablement.json",
    ),
    Client(
        "iflow",
        "https://platform.iflow.cn/en/cli/examples/mcp",
        user=(".iflow/settings.json",),
        project=(".iflow/settings.json",),
    ),
    Client(
        "openclaw",
        "https://docs.openclaw.ai/cli/mcp",
        user=(".openclaw/openclaw.json",),
        keys=("mcp", "servers"),
    ),
    Client(
        "grok-build",
        "https://docs.x.ai/build/mcp",
        user=(".grok/config.toml",),
        keys=("mcp_servers",),
        is_compared=False,
    ),
    Client(
        "mastra-code",
        "https://mastra.ai/docs",
        user=(".mastracode/mcp.json",),
        project=(".mastracode/mcp.json",),
    ),
    Client(
        "void",
        "https://github.com/voideditor/void",
        user=(".void-editor/mcp.json",),
    ),
    Client(
        "llxprt",
        "https://github.com/vybestack/llxprt-code",
        user=(".llxprt/settings.json",),
        project=(".llxprt/settings.json",),
        bare_url="sse",
        rules=(".llxprt/settings.json",),
    ),
    Client(
        "deepagents",
        "https://reference.langchain.com/python/deepagents-cli/mcp_tools/discover_mcp_configs",
        user=(".deepagents/.mcp.json",),
        project=(".deepagents/.mcp.json",),
    ),
    Client(
        "zcode",
        "https://www.skills.sh/asgeirtj/system_prompts_leaks/diagnosing-mcp",
        user=(".zcode/cli/config.json",),
        project=(".zcode/config.json", "zcode.json"),
        keys=("mcp", "servers"),
    ),
    Client(
        "zcode",
        "https://www.skills.sh/asgeirtj/system_prompts_leaks/diagnosing-mcp",
        user=(".agents/mcp.json",),
        project=(".agents/mcp.json",),
    ),
    Client(
        "abacus-ai",
        "https://abacus.ai/help/abacusai-desktop/mcp-configuration",
        user=(".abacusai/mcp.json",),
        project=(".abacusai/mcp.json",),
    ),
)

# For each platform: what stands for the names in braces. Those of managed files are absolute.
_FOLDERS = {
    "linux": {
        "config": ".config",
        "data": ".local/share",
        "local": ".local/share",
        "zed-data": ".local/share/zed",
        "dotted": ".config",
        "copilot": ".config",
        "crush": ".local/share/crush",
        "goose": "goose",
        "zed": "zed",
        "amp": "/etc/ampcode",
        "claude": "/etc/claude-code",
        "codex": "/etc/codex",
        "gemini": "/etc/gemini-cli",
        "opencode": "/etc/opencode",
        "qwen": "/etc/qwen-code",
    },
    "darwin": {
        "config": "Library/Application Support",
        "data": "Library/Application Support",
        "local": "Library/Application Support",
        "zed-data": "Library/Application Support/Zed",
        "dotted": ".config",
        "copilot": ".config",
        "crush": ".local/share/crush",
        "goose": "goose",
        "zed": "zed",
        "amp": "/Library/Application Support/ampcode",
        "claude": "/Library/Application Support/ClaudeCode",
        "codex": "/etc/codex",
        "gemini": "/Library/Application Support/GeminiCli",
        "opencode": "/Library/Application Support/opencode",
        "qwen": "/Library/Application Support/QwenCode",
    },
    "win32": {
        "config": "AppData/Roaming",
        "data": "AppData/Roaming",
        "local": "AppData/Local",
        "zed-data": "AppData/Local/Zed",
        "dotted": "AppData/Roaming",
        "copilot": "AppData/Local",
        "crush": "AppData/Local/crush",
        "goose": "Block/goose/config",
        "zed": "Zed",
        "amp": "C:/ProgramData/ampcode",
        "claude": "C:/Program Files/ClaudeCode",
        "codex": "C:/ProgramData/OpenAI/Codex",
        "gemini": "C:/ProgramData/gemini-cli",
        "opencode": "C:/ProgramData/opencode",
        "qwen": "C:/ProgramData/qwen-code",
    },
}


def editor_folders(platform: str) -> Iterator[tuple[Editor, str]]:
    """Yield each editor with its folders `User` below a home."""
    config = _folders(platform)["config"]
    for editor in EDITORS:
        if editor.folder:
            yield editor, f"{config}/{editor.folder}/User"
        if platform == "linux" and editor.flatpak is not None:
            yield editor, f".var/app/{editor.flatpak}/config/{editor.folder}/User"
        if editor.server is not None:
            yield editor, f"{editor.server}/User"


def user_paths(paths: tuple[str, ...], platform: str) -> Iterator[str]:
    """Yield the paths below a home that the patterns of a client's files stand for on a platform."""
    folders = _folders(platform)
    for path in paths:
        if path.startswith("{editor}"):
            yield from (path.replace("{editor}", folder, 1) for _, folder in editor_folders(platform))
        else:
            yield path.format(**folders)


def managed_paths(client: Client, platform: str) -> Iterator[str]:
    """Yield the absolute paths of the files that an administrator lays down for a client."""
    folders = _folders(platform)
    return (path.format(**folders) for path in client.managed)


def editor_clients(platform: str) -> Iterator[Client]:
    """Yield the files of the editors that read VS Code's own configuration of servers."""
    for editor, folder in editor_folders(platform):
        if not editor.has_own_servers:
            continue
        yield Client(
            editor.name,
            _VSCODE,
            user=(f"{folder}/mcp.json", f"{folder}/profiles/*/mcp.json"),
            keys=("servers",),
            has_switch=False,
        )
        yield Client(
            editor.name,
            _VSCODE,
            user=(f"{folder}/settings.json", f"{folder}/profiles/*/settings.json"),
            keys=("mcp", "servers"),
            has_switch=False,
        )
    for editor in EDITORS:
        if editor.has_own_servers and editor.server is not None:
            machine = f"{editor.server}/Machine"
            for name, keys in (("mcp.json", ("servers",)), ("settings.json", ("mcp", "servers"))):
                yield Client(editor.name, _VSCODE, user=(f"{machine}/{name}",), keys=keys, has_switch=False)


def _folders(platform: str) -> dict[str, str]:
    return _FOLDERS.get(platform, _FOLDERS["linux"])
