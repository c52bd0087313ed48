// Run by Windows Installer (JScript, ECMAScript 3). A function is told what it needs as the property CustomActionData.
// Everything is written so that a second run changes nothing, and that a failure does not fail the installation.

function told() {
    return Session.Property("CustomActionData").split("|");
}

function files() {
    return new ActiveXObject("Scripting.FileSystemObject");
}

// The exit code of a command, without a window; waits for it.
function run(command) {
    return new ActiveXObject("WScript.Shell").Run(command, 0, true);
}

function note(text) {
    var record = Session.Installer.CreateRecord(1);
    record.StringData(0) = text;
    Session.Message(0x04000000, record);
}

function readAll(fso, path) {
    if (!fso.FileExists(path) || fso.GetFile(path).Size === 0) {
        return "";
    }
    var stream = fso.OpenTextFile(path, 1);
    var text = stream.ReadAll();
    stream.Close();
    return text;
}

function writeAll(fso, path, text) {
    var stream = fso.CreateTextFile(path, true);
    stream.Write(text);
    stream.Close();
}

// A line without the blanks around it; without what makes it a comment, too, if asked.
function bare(line, comments) {
    var text = line.replace(/^\s+|\s+$/g, "");
    return comments ? text.replace(/^[#;\s]+/, "") : text;
}

// The number of the first line that names the program; a comment counts if asked. 0 if there is none.
function lineOf(text, program, comments) {
    var lines = text.split("\n");
    for (var i = 0; i < lines.length; i++) {
        if (bare(lines[i], comments).toLowerCase() === program.toLowerCase()) {
            return i + 1;
        }
    }
    return 0;
}

// What to say where a comment alone names the program: somebody has switched it off.
function offText(text, program, list) {
    var number = lineOf(text, program, false) === 0 ? lineOf(text, program, true) : 0;
    return number === 0 ? "" : "the extension stays off, since line " + number + " of " + list +
        " is a comment; to have it loaded, take the comment sign away and restart osqueryd";
}

// The list with the program at its end, unless it names it; a comment counts.
function withLine(text, program) {
    if (lineOf(text, program, true) !== 0) {
        return text;
    }
    if (text !== "" && text.charAt(text.length - 1) !== "\n") {
        text += "\r\n";
    }
    return text + program + "\r\n";
}

// The list without the lines that name the program; every other line as it is.
function withoutLine(text, program) {
    var kept = [];
    var lines = text.split("\n");
    for (var i = 0; i < lines.length; i++) {
        if (bare(lines[i], false).toLowerCase() !== program.toLowerCase()) {
            kept.push(lines[i]);
        }
    }
    return kept.join("\n");
}

function AddToList() {
    try {
        var given = told();
        var fso = files();
        var before = readAll(fso, given[0]);
        var after = withLine(before, given[1]);
        if (after !== before) {
            writeAll(fso, given[0], after);
        }
        var off = offText(before, given[1], given[0]);
        if (off !== "") {
            note(off);
        }
    } catch (error) {
        note("could not add a line to the load list: " + error.message);
    }
    return 1;
}

function RemoveFromList() {
    try {
        var given = told();
        var fso = files();
        var before = readAll(fso, given[0]);
        var after = withoutLine(before, given[1]);
        if (after === before) {
            return 1;
        }
        if (after === "") {
            fso.DeleteFile(given[0]);
        } else {
            writeAll(fso, given[0], after);
        }
    } catch (error) {
        note("could not take a line out of the load list: " + error.message);
    }
    return 1;
}

function StopOsqueryd() {
    try {
        // net says 0 only if it was running and has stopped.
        if (run("net stop osqueryd") === 0) {
            Session.Property("OSQUERYD_RAN") = "1";
        }
    } catch (error) {
        note("could not stop osqueryd: " + error.message);
    }
    return 1;
}

function StartOsqueryd() {
    try {
        run("net start osqueryd");
    } catch (error) {
        note("could not start osqueryd: " + error.message);
    }
    return 1;
}

// Settings and state are for the system and administrators alone; what is made in there later, too.
function Protect() {
    try {
        var folders = told();
        for (var i = 0; i < folders.length; i++) {
            run('icacls "' + folders[i] + '" /inheritance:r /grant:r *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F');
        }
    } catch (error) {
        note("could not protect the settings: " + error.message);
    }
    return 1;
}

// Each setting that is not there yet is copied from its default.
function PutDefaults() {
    try {
        var given = told();
        var fso = files();
        for (var i = 0; i + 1 < given.length; i += 2) {
            if (!fso.FileExists(given[i + 1])) {
                fso.CopyFile(given[i], given[i + 1], false);
            }
        }
    } catch (error) {
        note("could not put a default in place: " + error.message);
    }
    return 1;
}

function RestartOnFailure() {
    try {
        var name = Session.Property("CustomActionData");
        run('sc failure "' + name + '" reset= 86400 actions= restart/3000/restart/30000/restart/300000');
    } catch (error) {
        note("could not have the service restarted when it fails: " + error.message);
    }
    return 1;
}
