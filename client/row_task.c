#include "client/row_task.h"

#include <string.h>
#include <strings.h>

#define TASK(t) (1u << DF_TASK_##t)

/* Which tasks have a use for a field, and which cannot do without. */
static const struct {
    const char *name;
    unsigned bit, used, needed;
} uses[] = {
    { "image", DF_GIVEN_IMAGE, TASK(IMG2IMG) | TASK(INPAINT) | TASK(UPSCALE),
      TASK(IMG2IMG) | TASK(INPAINT) | TASK(UPSCALE) },
    { "mask", DF_GIVEN_MASK, TASK(INPAINT), TASK(INPAINT) },
    { "strength", DF_GIVEN_STRENGTH, TASK(IMG2IMG) | TASK(INPAINT), 0 },
    { "class", DF_GIVEN_CLASS, TASK(CLASS), TASK(CLASS) },
    { "noise_level", DF_GIVEN_NOISE_LEVEL, TASK(UPSCALE), 0 },
};

static df_task task_of(const df_line *l, const df_model *m) {
    df_task task;
    if (l->given & DF_GIVEN_TASK && df_task_named(&task, l->task)) return task;
    if (l->given & DF_GIVEN_MASK) return DF_TASK_INPAINT;
    if (l->given & DF_GIVEN_IMAGE) return df_model_can(m, DF_TASK_UPSCALE) ? DF_TASK_UPSCALE : DF_TASK_IMG2IMG;
    return l->given & DF_GIVEN_CLASS ? DF_TASK_CLASS : df_model_default_task(m);
}

static void check_task(const df_line *l, df_task task, const df_model *m, df_problems *p) {
    char can[96] = "";
    if (df_model_can(m, task)) return;
    for (int i = 0; i < DF_TASK_COUNT; i++)
        if (df_model_can(m, (df_task)i))
            snprintf(can + strlen(can), sizeof can - strlen(can), "%s%s", *can ? ", " : "", df_task_name((df_task)i));
    df_problems_add(p, "%s: field 'task': the model, a %s, does no %s; it does %s", l->where,
                    df_model_info_of(m)->pipeline_class, df_task_name(task), can);
}

static void check_fields(const df_line *l, df_task task, df_problems *p) {
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
        bool given = l->given & uses[i].bit;
        if (given && !(uses[i].used & 1u << task))
            df_problems_add(p, "%s: field '%s': %s has no use for it", l->where, uses[i].name, df_task_name(task));
        if (!given && uses[i].needed & 1u << task)
            df_problems_add(p, "%s: field '%s' is missing, %s needs it", l->where, uses[i].name, df_task_name(task));
    }
}

static void check_text(const df_line *l, const df_model *m, df_problems *p) {
    bool text = df_model_info_of(m)->text_width > 0;
    if (text && !(l->given & DF_GIVEN_PROMPT)) df_problems_add(p, "%s: field 'prompt' is missing", l->where);
    for (int i = 0; i < 2 && !text; i++)
        if (i ? l->given & DF_GIVEN_NEGATIVE && *l->negative : l->given & DF_GIVEN_PROMPT && *l->prompt)
            df_problems_add(p, "%s: field '%s': the model, a %s, takes no text", l->where, i ? "negative" : "prompt",
                            df_model_info_of(m)->pipeline_class);
}

static bool takes_noise_level(const df_model *m) {
    return df_model_info_of(m)->max_noise_level > 0 && df_model_low_res_scheduler(m);
}

/* The last class is that of no class, for guidance. */
static void check_numbers(const df_line *l, df_task task, const df_model *m, df_problems *p) {
    const df_model_info *info = df_model_info_of(m);
    if (l->given & DF_GIVEN_CLASS && task == DF_TASK_CLASS && l->class_label > info->n_classes - 2)
        df_problems_add(p, "%s: field 'class': the model has classes 0 to %d", l->where, info->n_classes - 2);
    if (l->given & DF_GIVEN_NOISE_LEVEL && task == DF_TASK_UPSCALE && !takes_noise_level(m))
        df_problems_add(p, "%s: field 'noise_level': the model, a %s, takes none", l->where, info->pipeline_class);
    else if (l->given & DF_GIVEN_NOISE_LEVEL && task == DF_TASK_UPSCALE && l->noise_level > info->max_noise_level)
        df_problems_add(p, "%s: field 'noise_level': at most %d with this model", l->where, info->max_noise_level);
    if (l->given & DF_GIVEN_STRENGTH && !(l->strength > 0))
        df_problems_add(p, "%s: field 'strength' must be above 0, up to 1", l->where);
}

static const df_input_file *picture(const df_line *l, const char *field, const char *path, df_input_files *files,
                                    df_problems *p) {
    df_err why;
    const df_input_file *file;
    if (!df_input_files_picture(files, path, &file, &why)) return file;
    df_problems_add(p, "%s: field '%s': %s", l->where, field, why.text);
    return NULL;
}

static void add_adapter(df_row_task *out, const df_row_adapter *a, const df_line *l, df_problems *p) {
    if (out->n_adapters == DF_MAX_ADAPTERS)
        df_problems_add(p, "%s: more than %d LoRAs and embeddings together", l->where, DF_MAX_ADAPTERS);
    else
        out->adapter[out->n_adapters++] = *a;
}

/* false: the text is none of "FILE" and "FILE:WEIGHT". buf holds the file's name. */
static bool lora_of(df_adapter_use *out, const df_line_adapter *in, char *buf, size_t buf_bytes) {
    snprintf(buf, buf_bytes, "%s", in->file);
    *out = (df_adapter_use) { .kind = DF_ADAPTER_LORA, .path = buf, .weight = in->weight };
    return in->weight_beside || df_adapter_parse(buf, out);
}

static void take_loras(df_row_task *out, const df_line *l, const df_model *m, df_input_files *files, df_problems *p) {
    for (int i = 0; i < l->lora.n; i++) {
        char buf[2 * DF_MAX_PATH_BYTES]; /* of options it has a folder in front */
        df_row_adapter a = { .kind = DF_ADAPTER_LORA };
        df_adapter_use use;
        df_err why;
        if (!lora_of(&use, &l->lora.at[i], buf, sizeof buf))
            df_problems_add(p, "%s: field 'lora' must be FILE or FILE:WEIGHT, not '%.200s'", l->where,
                            l->lora.at[i].file);
        else if (df_input_files_lora(files, use.path, m, &a.file, &why))
            df_problems_add(p, "%s: field 'lora': %s", l->where, why.text);
        a.weight = use.weight;
        add_adapter(out, &a, l, p);
    }
}

/* Two words of one name in a row: which of them would count? */
static void check_token(const df_row_task *t, const df_input_file *file, const df_line *l, df_problems *p) {
    for (int i = 0; i < t->n_adapters; i++) {
        const df_input_file *other = t->adapter[i].file;
        if (t->adapter[i].kind == DF_ADAPTER_EMBEDDING && other && !strcasecmp(other->token, file->token))
            df_problems_add(p, "%s: field 'embedding': %s and %s are both called '%s'; TOKEN=FILE gives another name",
                            l->where, other->path, file->path, file->token);
    }
}

static void take_embeddings(df_row_task *out, const df_line *l, const df_model *m, df_input_files *files,
                            df_problems *p) {
    for (int i = 0; i < l->embedding.n; i++) {
        const df_line_adapter *in = &l->embedding.at[i];
        df_row_adapter a = { .kind = DF_ADAPTER_EMBEDDING };
        df_err why;
        if (df_input_files_embedding(files, in->file, in->token, in->token_bytes, m, &a.file, &why))
            df_problems_add(p, "%s: field 'embedding': %s", l->where, why.text);
        else
            check_token(out, a.file, l, p);
        add_adapter(out, &a, l, p);
    }
}

static int whole_multiple(int side, int multiple) {
    return side < multiple ? multiple : side / multiple * multiple;
}

static void take_size(df_row_task *out, const df_line *l, const df_model *m, df_problems *p) {
    const df_model_info *info = df_model_info_of(m);
    int multiple = info->size_multiple, factor = info->vae_factor;
    bool given = l->given & DF_GIVEN_SIZE;
    out->width = l->width;
    out->height = l->height;
    if (out->task == DF_TASK_UPSCALE && out->image) {
        int least = multiple / factor;
        out->width = whole_multiple(out->image->width, least) * factor;
        out->height = whole_multiple(out->image->height, least) * factor;
        if (given && (l->width != out->width || l->height != out->height))
            df_problems_add(p, "%s: field 'size': upscaling makes %dx%d of this picture, leave it out", l->where,
                            out->width, out->height);
    } else if (out->image && !given) {
        out->width = whole_multiple(out->image->width, multiple);
        out->height = whole_multiple(out->image->height, multiple);
    }
    if (out->width % multiple || out->height % multiple)
        df_problems_add(p, "%s: field 'size': %dx%d, but this model needs multiples of %d", l->where, out->width,
                        out->height, multiple);
    else if (out->width > DF_MAX_SIDE || out->height > DF_MAX_SIDE)
        df_problems_add(p, "%s: field 'image': the result would be %dx%d, sides are at most %d", l->where, out->width,
                        out->height, DF_MAX_SIDE);
}

static double strength_of(const df_line *l, df_task task) {
    if (task != DF_TASK_IMG2IMG && task != DF_TASK_INPAINT) return 0;
    if (l->given & DF_GIVEN_STRENGTH) return l->strength;
    return task == DF_TASK_IMG2IMG ? 0.8 : 1;
}

bool df_row_task_resolve(df_row_task *out, const df_line *l, const df_model *m, df_input_files *files, df_problems *p) {
    uint64_t before = p->n;
    *out = (df_row_task) { .task = task_of(l, m) };
    check_task(l, out->task, m, p);
    if (p->n > before) return false;
    check_fields(l, out->task, p);
    check_text(l, m, p);
    check_numbers(l, out->task, m, p);
    if (l->given & DF_GIVEN_IMAGE) out->image = picture(l, "image", l->image, files, p);
    if (l->given & DF_GIVEN_MASK) out->mask = picture(l, "mask", l->mask, files, p);
    take_loras(out, l, m, files, p);
    take_embeddings(out, l, m, files, p);
    take_size(out, l, m, p);
    out->strength = strength_of(l, out->task);
    if (out->task == DF_TASK_CLASS) out->class_label = (int)l->class_label;
    if (out->task == DF_TASK_UPSCALE && takes_noise_level(m))
        out->noise_level = l->given & DF_GIVEN_NOISE_LEVEL ? (int)l->noise_level : DF_DEFAULT_NOISE_LEVEL;
    return p->n == before;
}
