"""The browsers whose profiles are looked for, and the folders in which each keeps them.

The facts were gathered on 2026-11-27. Those of Chrome and Chromium are from Chromium's
docs/user_data_dir.md (https://chromium.googlesource.com/chromium/src/+/main/docs/user_data_dir.md), those of
Firefox from https://support.mozilla.org/kb/profiles-where-firefox-stores-user-data. Those of the others are
from the folders that firejail (https://github.com/netblue30/firejail, disable-programs.inc) closes off
on Linux, and from public programs that read the same folders. An application on Flathub has its folders below
~/.var/app (https://docs.flatpak.org), a snap below ~/snap (https://snapcraft.io/docs/data-locations).
"""

import posixpath
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["CHROMIUM", "FIREFOX", "Browser", "folders_of"]


class Browser(NamedTuple):
    """A browser's folders, each with its profiles; empty where the browser does not exist.

    Attributes:
        name: the browser.
        linux: below a home.
        macos: below Library/Application Support.
        windows: below AppData/Local for those made from Chromium, AppData/Roaming for those from Firefox.
        flatpak: its application, in whose folder the folder of Linux is again.
        snap: its snap, in whose folder the folder of Linux is again.
    """

    name: str
    linux: str = ""
    macos: str = ""
    windows: str = ""
    flatpak: str = ""
    snap: str = ""


CHROMIUM = (
    Browser(
        "chrome",
        ".config/google-chrome",
        "Google/Chrome",
        "Google/Chrome/User Data",
        flatpak="com.google.Chrome",
    ),
    Browser(
        "chrome-beta", ".config/google-chrome-beta", "Google/Chrome Beta", "Google/Chrome Beta/User Data"
    ),
    Browser(
        "chrome-dev",
        ".config/google-chrome-unstable",
        "Google/Chrome Dev",
        "Google/Chrome Dev/User Data",
        flatpak="com.google.ChromeDev",
    ),
    Browser(
        "chrome-canary",
        ".config/google-chrome-canary",
        "Google/Chrome Canary",
        "Google/Chrome SxS/User Data",
    ),
    Browser(
        "chrome-for-testing",
        ".config/google-chrome-for-testing",
        "Google/Chrome for Testing",
        "Google/Chrome for Testing/User Data",
    ),
    Browser(
        "chromium", ".config/chromium", "Chromium", "Chromium/User Data", flatpak="org.chromium.Chromium"
    ),
    Browser("chromium", "snap/chromium/common/chromium"),
    Browser(
        "ungoogled-chromium",
        ".var/app/io.github.ungoogled_software.ungoogled_chromium/config/chromium",
    ),
    Browser("ungoogled-chromium", ".config/ungoogled-chromium"),
    Browser("chromium", ".config/chromium-dev"),
    Browser(
        "brave",
        ".config/BraveSoftware/Brave-Browser",
        "BraveSoftware/Brave-Browser",
        "BraveSoftware/Brave-Browser/User Data",
        flatpak="com.brave.Browser",
        snap="brave",
    ),
    *(
        Browser(
            f"brave-{channel.lower()}",
            f".config/BraveSoftware/Brave-Browser-{channel}",
            f"BraveSoftware/Brave-Browser-{channel}",
            f"BraveSoftware/Brave-Browser-{channel}/User Data",
        )
        for channel in ("Beta", "Dev", "Nightly")
    ),
    Browser(
        "edge",
        ".config/microsoft-edge",
        "Microsoft Edge",
        "Microsoft/Edge/User Data",
        flatpak="com.microsoft.Edge",
    ),
    Browser(
        "edge-beta", ".config/microsoft-edge-beta", "Microsoft Edge Beta", "Microsoft/Edge Beta/User Data"
    ),
    Browser(
        "edge-dev",
        ".config/microsoft-edge-dev",
        "Microsoft Edge Dev",
        "Microsoft/Edge Dev/User Data",
        flatpak="com.microsoft.EdgeDev",
    ),
    Browser(
        "brave-origin",
        ".config/BraveSoftware/Brave-Origin",
        "BraveSoftware/Brave-Origin",
        "BraveSoftware/Brave-Origin/User Data",
    ),
    Browser("edge-canary", "", "Microsoft Edge Canary", "Microsoft/Edge SxS/User Data"),
    Browser(
        "vivaldi",
        ".config/vivaldi",
        "Vivaldi",
        "Vivaldi/User Data",
        flatpak="com.vivaldi.Vivaldi",
        snap="vivaldi",
    ),
    Browser("vivaldi-snapshot", ".config/vivaldi-snapshot", "Vivaldi Snapshot"),
    Browser(
        "opera",
        ".config/opera",
        "com.operasoftware.Opera",
        "../Roaming/Opera Software/Opera Stable",
        flatpak="com.opera.Opera",
        snap="opera",
    ),
    Browser(
        "opera-beta",
        ".config/opera-beta",
        "com.operasoftware.OperaNext",
        "../Roaming/Opera Software/Opera Next",
        snap="opera-beta",
    ),
    Browser(
        "opera-developer",
        ".config/opera-developer",
        "com.operasoftware.OperaDeveloper",
        "../Roaming/Opera Software/Opera Developer",
        snap="opera-developer",
    ),
    Browser("opera-gx", "", "com.operasoftware.OperaGX", "../Roaming/Opera Software/Opera GX Stable"),
    Browser("opera-air", "", "com.operasoftware.OperaAir", "../Roaming/Opera Software/Opera Air Stable"),
    Browser("arc", "", "Arc/User Data", "Arc/User Data"),
    Browser("arc", "", "", "Packages/TheBrowserCompany.Arc_*/LocalCache/Local/Arc/User Data"),
    Browser("dia", "", "Dia/User Data", "Dia/User Data"),
    Browser("comet", "", "Comet", "Perplexity/Comet/User Data"),
    Browser("chatgpt-atlas", "", "com.openai.atlas/browser-data/host"),
    Browser(
        "helium",
        ".config/net.imput.helium",
        "net.imput.helium",
        "imput/Helium/User Data",
        flatpak="net.imput.helium",
    ),
    Browser("thorium", ".config/thorium", "Thorium", "Thorium/User Data"),
    Browser(
        "yandex",
        ".config/yandex-browser",
        "Yandex/YandexBrowser",
        "Yandex/YandexBrowser/User Data",
        flatpak="ru.yandex.Browser",
    ),
    Browser("yandex-beta", ".config/yandex-browser-beta"),
    Browser("iridium", ".config/iridium", "Iridium", "Iridium/User Data"),
    Browser("slimjet", ".config/slimjet", "", "Slimjet/User Data"),
    Browser("whale", ".config/naver-whale", "Naver/Whale", "Naver/Naver Whale/User Data"),
)

_TOR = (
    ".local/share/torbrowser/tbb/*/tor-browser",
    ".var/app/org.torproject.torbrowser-launcher/data/torbrowser/tbb/*/tor-browser",
    ".local/opt/tor-browser/app",
    "tor-browser*",
    ".tor-browser*",
    "Downloads/tor-browser*",
)

# Firefox and its kin have moved from a folder of their own in the home to one in .config.
FIREFOX = (
    Browser(
        "firefox",
        ".mozilla/firefox",
        "Firefox",
        "Mozilla/Firefox",
        flatpak="org.mozilla.firefox",
        snap="firefox",
    ),
    Browser("firefox", ".config/mozilla/firefox", flatpak="org.mozilla.firefox", snap="firefox"),
    Browser(
        "librewolf",
        ".librewolf",
        "librewolf",
        "librewolf",
        flatpak="io.gitlab.librewolf-community",
    ),
    Browser("librewolf", ".config/librewolf/librewolf", flatpak="io.gitlab.librewolf-community"),
    Browser("zen", ".zen", "zen", "zen", flatpak="app.zen_browser.zen"),
    Browser("zen", ".config/zen", flatpak="app.zen_browser.zen"),
    Browser("floorp", ".floorp", "Floorp", "Floorp", flatpak="one.ablaze.floorp"),
    Browser("waterfox", ".waterfox", "Waterfox", "Waterfox", flatpak="net.waterfox.waterfox"),
    Browser("firedragon", ".firedragon", flatpak="org.garudalinux.firedragon"),
    Browser("icecat", ".mozilla/icecat", "IceCat"),
    Browser("firefox", ".mozilla/firefox-trunk"),
    Browser("zen", ".var/app/app.zen_browser.zen/data/zen"),
    Browser(
        "mullvad",
        ".mullvad/mullvadbrowser",
        "MullvadBrowser",
        "Mullvad/MullvadBrowser",
        flatpak="net.mullvad.MullvadBrowser",
    ),
    Browser("mullvad", "", "MullvadBrowser-Data/Browser"),
    # Unpacked into a home, or there by its launcher.
    *(Browser("tor", f"{folder}/Browser/TorBrowser/Data/Browser") for folder in _TOR),
    Browser(
        "tor", "", "TorBrowser-Data/Browser", "../../Desktop/Tor Browser/Browser/TorBrowser/Data/Browser"
    ),
    Browser("cachy", ".cachy"),
    Browser(
        "basilisk",
        ".moonchild productions/basilisk",
        "Basilisk",
        "Moonchild Productions/Basilisk",
    ),
    Browser(
        "pale-moon",
        ".moonchild productions/pale moon",
        "Pale Moon",
        "Moonchild Productions/Pale Moon",
    ),
    Browser("seamonkey", ".mozilla/seamonkey", "SeaMonkey", "Mozilla/SeaMonkey"),
)


def folders_of(browsers: tuple[Browser, ...], platform: str) -> Iterator[tuple[str, str]]:
    """Yield each browser's name with its folders below a home: of a package, a flatpak and a snap."""
    local = "AppData/Local" if browsers is CHROMIUM else "AppData/Roaming"
    for browser in browsers:
        if platform == "win32":
            if browser.windows:
                yield browser.name, posixpath.normpath(f"{local}/{browser.windows}")
        elif platform == "darwin":
            if browser.macos:
                yield browser.name, f"Library/Application Support/{browser.macos}"
        elif browser.linux:
            yield from ((browser.name, folder) for folder in _on_linux(browser))


def _on_linux(browser: Browser) -> Iterator[str]:
    yield browser.linux
    if browser.flatpak:
        # A flatpak has a folder of settings of its own; what is hidden in a home is kept under its own name.
        inner = browser.linux.removeprefix(".") if browser.linux.startswith(".config/") else browser.linux
        yield f".var/app/{browser.flatpak}/{inner}"
    if browser.snap:
        # Common to all revisions, or of the one that is installed.
        yield from (f"snap/{browser.snap}/{folder}/{browser.linux}" for folder in ("common", "current"))
