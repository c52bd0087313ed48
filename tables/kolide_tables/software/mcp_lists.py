"""The lists of projects that clients keep, in which a client's own configuration may be.

Gathered on 2026-11-27. Each list was compared on that day with the source that it names: the program's own
code, or public code that reads the same file. In paths, names in braces and `*` are as in mcp_clients.py.
"""

from typing import NamedTuple

__all__ = ["DATABASES", "JETBRAINS", "LISTS", "MEMBER", "NAME", "ProjectDatabase", "ProjectList"]

# Steps to a project: every member of an object or list, and every name in an object.
MEMBER, NAME = "*", "(name)"


class ProjectList(NamedTuple):
    """A document with projects.

    Attributes:
        source: where the fact is from.
        paths: the document, below a home.
        steps: keys that lead to the projects, each a path or a file's URI.
    """

    source: str
    paths: tuple[str, ...]
    steps: tuple[tuple[str, ...], ...]


class ProjectDatabase(NamedTuple):
    """A SQLite file with projects.

    Attributes:
        source: where the fact is from.
        paths: the file, below a home.
        statements: each gives projects, several in a text on lines of their own; tables and columns that the
            file does not have are skipped.
    """

    source: str
    paths: tuple[str, ...]
    statements: tuple[str, ...]


_CODE = "https://github.com/microsoft/vscode/tree/main/src/vs/platform"
_KILO = "{editor}/globalStorage/kilocode.kilo-code"
_ROO = "{editor}/globalStorage/rooveterinaryinc.roo-cline"

# The folders in Claude Code's list are read with its servers, in claude_code.py.
LISTS = (
    ProjectList(
        "https://developers.openai.com/codex/config-reference",
        (".codex/config.toml",),
        (("projects", NAME),),
    ),
    ProjectList(
        "https://github.com/Haleclipse/CodexDesktop-Rebuild, and others that read the file",
        (".codex/.codex-global-state.json",),
        (("electron-saved-workspace-roots", MEMBER), ("active-workspace-roots", MEMBER)),
    ),
    ProjectList(
        "https://geminicli.com/docs/cli/trusted-folders",
        (".gemini/trustedFolders.json", ".qwen/trustedFolders.json"),
        ((NAME,),),
    ),
    ProjectList(
        "https://github.com/google-gemini/gemini-cli: packages/core/src/config/projectRegistry.ts",
        (".gemini/projects.json",),
        (("projects", NAME),),
    ),
    ProjectList(
        "https://docs.github.com/en/copilot/how-tos/copilot-cli/set-up-copilot-cli/configure-copilot-cli",
        (".copilot/config.json",),
        (("trusted_folders", MEMBER), ("trustedFolders", MEMBER)),
    ),
    ProjectList(
        f"{_CODE}/workspaces",
        ("{editor}/workspaceStorage/*/workspace.json",),
        (("folder",), ("workspace",)),
    ),
    ProjectList(
        f"{_CODE}/backup and userDataProfile",
        ("{editor}/globalStorage/storage.json",),
        (
            ("backupWorkspaces", "folders", MEMBER, "folderUri"),
            ("backupWorkspaces", "workspaces", MEMBER, "configURIPath"),
            ("profileAssociations", "workspaces", NAME),
        ),
    ),
    ProjectList(
        "public code that reads the file of Cursor's agent",
        (".cursor/projects/*/.workspace-trusted",),
        (("workspacePath",),),
    ),
    ProjectList(
        "https://github.com/cline/cline: apps/vscode/src/hosts/vscode/vscode-to-file-migration.ts",
        (
            "{editor}/globalStorage/saoudrizwan.claude-dev/state/taskHistory.json",
            ".cline/data/state/taskHistory.json",
        ),
        ((MEMBER, "cwdOnTaskInitialization"),),
    ),
    ProjectList(
        "https://github.com/RooCodeInc/Roo-Code: src/core/task-persistence/TaskHistoryStore.ts",
        (f"{_ROO}/tasks/_index.json", f"{_KILO}/tasks/_index.json"),
        (("entries", MEMBER, "workspace"),),
    ),
    ProjectList(
        "https://github.com/continuedev/continue: core/util/history.ts",
        (".continue/sessions/sessions.json",),
        ((MEMBER, "workspaceDirectory"),),
    ),
    ProjectList(
        "https://github.com/block/goose: crates/goose-cli/src/project_tracker.rs",
        (
            "{dotted}/{goose}/projects.json",
            ".local/share/goose/projects.json",
            "{config}/Block/goose/config/projects.json",
        ),
        (("projects", NAME),),
    ),
    ProjectList(
        "https://github.com/charmbracelet/crush: internal/projects/projects.go",
        ("{crush}/projects.json",),
        (("projects", MEMBER, "path"),),
    ),
    ProjectList(
        "https://github.com/sst/opencode, before 2026",
        (".local/share/opencode/storage/project/*.json",),
        (("worktree",),),
    ),
    ProjectList(
        "https://github.com/MoonshotAI/kimi-cli: src/kimi_cli/metadata.py",
        (".kimi/kimi.json",),
        (("work_dirs", MEMBER, "path"),),
    ),
    ProjectList(
        "https://docs.mistral.ai/vibe/",
        (".vibe/trusted_folders.toml",),
        (("trusted", MEMBER), ("untrusted", MEMBER)),
    ),
    ProjectList(
        "public code that writes the file of Grok Build",
        (".grok/trusted_folders.toml",),
        (("folders", NAME),),
    ),
)

DATABASES = (
    ProjectDatabase(
        "https://github.com/zed-industries/zed: crates/workspace/src/persistence.rs",
        ("{zed-data}/db/0-*/db.sqlite", ".var/app/dev.zed.Zed/data/zed/db/0-*/db.sqlite"),
        (
            "select paths from workspaces where remote_connection_id is null order by timestamp desc",
            "select paths from workspaces where ssh_connection_id is null order by timestamp desc",
            "select replace(local_paths_array, ',', char(10)) from workspaces order by timestamp desc",
            "select absolute_path from trusted_worktrees where host_name is null",
        ),
    ),
    ProjectDatabase(
        f"{_CODE}/workspaces/electron-main/workspacesHistoryMainService.ts",
        ("{editor}/globalStorage/state.vscdb",),
        (
            (
                "select coalesce(json_extract(entry.value, '$.folderUri'), "
                "json_extract(entry.value, '$.workspace.configPath')) from (select cast(value as text) as "
                "list from ItemTable where key = 'history.recentlyOpenedPathsList'), "
                "json_each(list, '$.entries') as entry"
            ),
        ),
    ),
    ProjectDatabase(
        "https://github.com/sst/opencode, since 2026",
        (".local/share/opencode/opencode*.db",),
        ("select worktree from project",),
    ),
    ProjectDatabase(
        "https://github.com/block/goose: crates/goose/src/session",
        (
            ".local/share/goose/sessions/sessions.db",
            "AppData/Roaming/Block/goose/data/sessions/sessions.db",
        ),
        ("select distinct working_dir from sessions",),
    ),
    ProjectDatabase(
        "https://github.com/aws/amazon-q-developer-cli: crates/chat-cli/src/database/sqlite_migrations",
        ("{local}/amazon-q/data.sqlite3", "{local}/kiro-cli/data.sqlite3"),
        ("select key from conversations", "select distinct key from conversations_v2"),
    ),
)

# The IDEs of JetBrains, and Android Studio: files below the folder for settings.
JETBRAINS = tuple(
    f"{folder}/*/options/{name}.xml"
    for folder in (
        "{config}/JetBrains",
        "{config}/Google",
        ".var/app/com.jetbrains.*/config/JetBrains",
        ".var/app/com.google.AndroidStudio/config/Google",
    )
    for name in ("recentProjects", "recentSolutions", "recentProjectDirectories", "trusted-paths")
)
