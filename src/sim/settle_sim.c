/* settle-sim: the engine under simulated clients, participants, network, disk and clock. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/mutant.h"
#include "sim/campaign.h"
#include "sim/races.h"
#include "sim/rules_page.h"
#include "sim/shrink.h"
#include "sim/sweep.h"
#include "sim/transcript.h"

static const char usage[] =
    "usage: settle-sim --seed N [without=CLASS,...] [drop=N,...] [horizon=MS]   one world, in words\n"
    "       settle-sim --seeds A..B        many worlds\n"
    "       settle-sim --determinism A..B  every world twice, compared\n"
    "       settle-sim --shrink N [...]    the smallest world that still fails\n"
    "       settle-sim --regress FILE      the worlds that failed once\n"
    "       settle-sim --sweep [NAME]      a crash at every point of every scenario, and another one while "
    "recovering\n"
    "       settle-sim --scenario NAME [crash=P/OUTCOME[,Q/OUTCOME]]   one of them, in words\n"
    "       settle-sim --races             every interleaving of producer, check-back and crash\n"
    "       settle-sim --script [--rewrite] FILE...   transcripts: tests/script/*.txt\n"
    "       settle-sim --list-mutants      name and mistake of each\n"
    "       settle-sim --rules             the engine's rules as a page (docs/rules.md)\n"
    "options: --jobs N   workers (1)      --coverage     rules and points reached; red when one never was\n"
    "         --stop     at the first failure    --quiet     only the summary line; --sweep: single crashes\n"
    "exit codes: 0 good, 2 usage, 3 crash, 4 liveness, 5 correctness, 6 something was never reached\n";

enum command {
    COMMAND_NONE,
    COMMAND_SEED,
    COMMAND_SEEDS,
    COMMAND_DETERMINISM,
    COMMAND_SHRINK,
    COMMAND_REGRESS,
    COMMAND_SWEEP,
    COMMAND_SCENARIO,
    COMMAND_RACES,
    COMMAND_SCRIPT,
    COMMAND_LIST_MUTANTS,
    COMMAND_RULES,
    COMMAND_HELP,
};

struct arguments {
    enum command command;
    const char *subject;
    const char *crash;
    bool rewrite;
    char **paths;
    int path_count;
    struct campaign campaign;
    struct trial trial;
};

static const struct option options[] = {
    { "seed", required_argument, NULL, COMMAND_SEED },
    { "seeds", required_argument, NULL, COMMAND_SEEDS },
    { "determinism", required_argument, NULL, COMMAND_DETERMINISM },
    { "shrink", required_argument, NULL, COMMAND_SHRINK },
    { "regress", required_argument, NULL, COMMAND_REGRESS },
    { "sweep", optional_argument, NULL, COMMAND_SWEEP },
    { "scenario", required_argument, NULL, COMMAND_SCENARIO },
    { "races", no_argument, NULL, COMMAND_RACES },
    { "script", no_argument, NULL, COMMAND_SCRIPT },
    { "rewrite", no_argument, NULL, 'r' },
    { "list-mutants", no_argument, NULL, COMMAND_LIST_MUTANTS },
    { "rules", no_argument, NULL, COMMAND_RULES },
    { "help", no_argument, NULL, COMMAND_HELP },
    { "jobs", required_argument, NULL, 'j' },
    { "coverage", no_argument, NULL, 'c' },
    { "stop", no_argument, NULL, 's' },
    { "quiet", no_argument, NULL, 'q' },
    { NULL, 0, NULL, 0 },
};

static bool parse_number(const char *text, uint64_t *out) {
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    *out = strtoull(text, &end, 10);
    return *end == '\0';
}

static bool parse_range(const char *text, uint64_t *first, uint64_t *last) {
    char head[32];
    const char *dots = strstr(text, "..");

    if (dots == NULL || (size_t)(dots - text) >= sizeof head)
        return false;
    memcpy(head, text, (size_t)(dots - text));
    head[dots - text] = '\0';
    return parse_number(head, first) && parse_number(dots + 2, last) && *first <= *last;
}

static bool take_option(struct arguments *a, int option, const char *value) {
    uint64_t number;

    switch (option) {
    case 'j':
        if (!parse_number(value, &number) || number == 0 || number > 64)
            return false;
        a->campaign.jobs = (unsigned)number;
        return true;
    case 'c':
        a->campaign.coverage = true;
        return true;
    case 's':
        a->campaign.stop_early = true;
        return true;
    case 'r':
        a->rewrite = true;
        return true;
    case 'q':
        a->campaign.quiet = true;
        return true;
    case '?':
        return false;
    default:
        a->command = (enum command)option;
        a->subject = value;
        return true;
    }
}

static bool parse(int count, char **words, struct arguments *a) {
    int option;

    *a = (struct arguments){ .campaign = { .jobs = 1 } };
    while ((option = getopt_long(count, words, "", options, NULL)) != -1)
        if (!take_option(a, option, optarg))
            return false;
    if (a->command == COMMAND_SEED || a->command == COMMAND_SHRINK) {
        if (!parse_number(a->subject, &a->trial.seed))
            return false;
        for (; optind < count; optind++)
            if (!trial_parse_part(words[optind], &a->trial))
                return false;
    }
    if (a->command == COMMAND_SCRIPT) {
        a->paths = words + optind;
        a->path_count = count - optind;
        optind = count;
    }
    if (a->command == COMMAND_SWEEP && optind < count)
        a->subject = words[optind++];
    if (a->command == COMMAND_SCENARIO && optind < count && strncmp(words[optind], "crash=", 6) == 0)
        a->crash = words[optind++] + 6;
    if (a->command == COMMAND_SEEDS || a->command == COMMAND_DETERMINISM)
        if (!parse_range(a->subject, &a->campaign.first, &a->campaign.last))
            return false;
    return a->command != COMMAND_NONE && optind == count;
}

static int list_mutants(void) {
#define X(name, sentence) printf("%-28s %s\n", #name, sentence);
    MUTANT_LIST(X)
#undef X
    return 0;
}

static int print_rules(void) {
    struct buffer page;

    buffer_init(&page, 1 << 20);
    rules_page_print(&page);
    fwrite(page.at, 1, page.length, stdout);
    buffer_done(&page);
    return 0;
}

int main(int count, char **words) {
    struct arguments a;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!parse(count, words, &a)) {
        fputs(usage, stderr);
        return CAMPAIGN_USAGE;
    }
    switch (a.command) {
    case COMMAND_SEED:
        return campaign_show(&a.trial);
    case COMMAND_SEEDS:
        return campaign_seeds(&a.campaign);
    case COMMAND_DETERMINISM:
        return campaign_determinism(&a.campaign);
    case COMMAND_SHRINK:
        return shrink_run(&a.trial);
    case COMMAND_REGRESS:
        return campaign_regress(a.subject, a.campaign.jobs);
    case COMMAND_SWEEP:
        return sweep_run(a.subject, a.campaign.jobs, a.campaign.quiet);
    case COMMAND_SCENARIO:
        return sweep_show(a.subject, a.crash);
    case COMMAND_RACES:
        return races_run(a.campaign.jobs);
    case COMMAND_SCRIPT:
        return transcript_run(a.paths, a.path_count, a.rewrite) == 0 ? CAMPAIGN_GOOD : CAMPAIGN_CORRECTNESS;
    case COMMAND_LIST_MUTANTS:
        return list_mutants();
    case COMMAND_RULES:
        return print_rules();
    default:
        fputs(usage, stdout);
        return 0;
    }
}
