"""Clients of the web and its protocols, and tools that try web servers."""

from ..lines import Line

WEB = (
    Line(
        "curl curlie",
        "-u=login --user=login -U=login --proxy-user=login -E=login --cert=login --proxy-cert=login "
        "-b=cookie --cookie=cookie --pass %ACDFHKQPTXYcdehmortwxyz",
        "curl.se/docs/manpage.html",
    ),
    Line("wget wget2", "%oaeitOTwQPUDXIlABR", "wget(1)"),
    Line("http https xh xhs http-prompt", "-a=login --auth=login", "httpie.io/docs/cli"),
    Line("lftp open", "-u=comma %epf", "lftp(1)"),
    Line("ncftp ncftpget ncftpput ncftpls", "-p %uP", "ncftpget(1)"),
    Line("ab", "-A=login -P=login -C=cookie %ncstbTpuvwxyzhgedHXfZEm", "ab(1)"),
    Line("hey siege bombardier", "-a=login", "github.com/rakyll/hey"),
    Line("httping", "-P %ghUpcioIt", "httping(1)"),
    Line("lwp-request", "-C=login %mbtipHc", "lwp-request(1p)"),
    Line(
        "miniserve gotty ttyd",
        "-a=login -c=login --credential=login --auth=login",
        "github.com/tsl0922/ttyd",
    ),
    Line("chisel jenkins-cli", "--auth=login -auth=login", "jenkins.io/doc/book/managing/cli"),
    Line(
        "wpscan cewl nikto",
        "--proxy-auth=login --http-auth=login -id=login",
        "github.com/wpscanteam/wpscan",
    ),
    Line("youtube-dl yt-dlp gallery-dl instaloader", "-p -2 --twofactor %uPofNl", "github.com/yt-dlp/yt-dlp"),
    Line("simplehttpserver", "-basic-auth=login", "github.com/projectdiscovery/simplehttpserver"),
    Line("curl curlie", "--ftp-account --variable=pair", "curl.se/docs/manpage.html"),
    Line(
        "http/-A https/-A xh/-A http/--auth-type https/--auth-type xh/--auth-type",
        "-a --auth",
        "httpie.io/docs/cli",
    ),
    Line("hurl", "-u=login --user=login", "hurl.dev/docs/manual.html"),
    Line("jq", "--arg>2=named", "jq(1)"),
    Line("wfuzz", "-b=cookie --basic=login --ntlm=login --digest=login %zwdHsut", "wfuzz.readthedocs.io"),
    Line("httpx", "--auth>2", "www.python-httpx.org"),
    Line("curlftpfs", "-o=mount", "curlftpfs(1)"),
    Line("ftp tnftp", "<stdin", "ftp(1)"),
    Line("p4", "-P %upcCdHQx", "help.perforce.com"),
)
